#include "libs/http/error.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "libs/base/errors.h"
#include "libs/base/retry_after.h"
#include "nlohmann/json.hpp"

namespace fairlead {
namespace {

TEST(ErrorResponse, WhenToTryAgainIsToldInWholeSecondsAndNeverTooEarly) {
  const HttpResponse response = ErrorResponse(WithRetryAfter(absl::ResourceExhaustedError("too many"), absl::Milliseconds(1500)));
  EXPECT_EQ(response.status, 429);
  const std::pair<std::string, std::string> retry("Retry-After", "2");
  EXPECT_NE(std::find(response.headers.begin(), response.headers.end(), retry), response.headers.end());
}

TEST(ErrorResponse, SaysCodeStatusMessageFieldAndValue) {
  const HttpResponse response = ErrorResponse(FieldError(absl::StatusCode::kNotFound, "title", "titles/x", "no such title"));
  EXPECT_EQ(response.status, 404);
  const nlohmann::json error = nlohmann::json::parse(response.body)["error"];
  EXPECT_EQ(error["code"], 404);
  EXPECT_EQ(error["status"], "NOT_FOUND");
  EXPECT_EQ(error["message"], "title 'titles/x': no such title");
  EXPECT_EQ(error["details"][0]["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
  EXPECT_EQ(error["details"][0]["metadata"]["field"], "title");
  EXPECT_EQ(error["details"][0]["metadata"]["value"], "titles/x");
}

TEST(ErrorResponse, SurvivesBytesThatAreNotText) {
  const HttpResponse response = ErrorResponse(InvalidField("title", "\xff\xfe\"\n", "must be text"));
  EXPECT_FALSE(nlohmann::json::parse(response.body)["error"]["message"].get<std::string>().empty());
}

TEST(HttpStatusOf, EveryErrorIsAnErrorOverHttpToo) {
  for (int code = 1; code <= 16; ++code) EXPECT_GE(HttpStatusOf(static_cast<absl::StatusCode>(code)), 400) << code;
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kOk), 200);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kPermissionDenied), 403);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kUnavailable), 503);
  EXPECT_EQ(HttpStatusOf(absl::StatusCode::kInvalidArgument), 400);
}

}  // namespace
}  // namespace fairlead
