#include "tests/lab/viewers.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/status_macros.h"
#include "libs/content/hls_playlist.h"
#include "libs/signing/digest.h"
#include "tests/lab/refusals.h"
#include "tests/lab/text_file.h"

namespace fairlead {
namespace {

using content::v1::File;
using content::v1::Title;
using steering::v1::FileAnswer;
using steering::v1::RankedUrl;
using steering::v1::SteerRequest;
using steering::v1::SteerResponse;

constexpr absl::Duration kPatience = absl::Seconds(15);

std::string ShortName(const std::string& name) {
  return name.substr(name.find('/') + 1);
}

SteerRequest MakeRequest(const LabViewer& viewer, const std::string& title) {
  SteerRequest request;
  request.set_client_address(viewer.address.ToString());
  request.set_title(title);
  return request;
}

const File* FindFile(const Title& title, const std::string& path) {
  for (const content::v1::TitleVersion& version : title.versions()) {
    for (const content::v1::Rendition& rendition : version.renditions()) {
      if (rendition.file().path() == path) return &rendition.file();
    }
  }
  return nullptr;
}

// What two answers to one question must have in common, as text: where to go, not how it is signed.
std::string Essence(const SteerResponse& answer) {
  std::string text = answer.matched_prefix();
  for (const FileAnswer& file : answer.files()) {
    absl::StrAppend(&text, "\n", file.path());
    for (const RankedUrl& url : file.urls())
      absl::StrAppend(&text, " ", url.appliance(), "/", url.family(), "/", url.rank(), "/", url.cause());
  }
  return text;
}

absl::Status Differs(const LabViewer& viewer, absl::string_view what, absl::string_view got, absl::string_view wanted) {
  return absl::InternalError(absl::StrCat(viewer.address.ToString(), ": ", what, " is '", got, "', not '", wanted, "'"));
}

}  // namespace

absl::StatusOr<Playback> Viewers::Play(const LabViewer& viewer, const Title& title) {
  // All boxes share this machine, so while it is busy some may be told overloaded a moment before others: then ask again.
  const absl::Time deadline = absl::Now() + kPatience;
  absl::StatusOr<SteerResponse> asked = Ask(viewer, title);
  while (!asked.ok() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(200));
    asked = Ask(viewer, title);
  }
  RETURN_IF_ERROR(asked.status());
  const SteerResponse& answer = *asked;
  Playback playback;
  playback.matched_prefix = answer.matched_prefix();
  for (const FileAnswer& file : answer.files()) {
    const File* known = FindFile(title, file.path());
    if (known == nullptr) return absl::InternalError(absl::StrCat("'", file.path(), "' is not in the catalogue"));
    RETURN_IF_ERROR(Fetch(file, *known, playback));
  }
  const RankedUrl& first = answer.files(0).urls(0);
  playback.rank = first.rank();
  playback.site = ShortName(first.site());
  playback.cause = common::v1::MissCause_Name(first.cause()).substr(std::string("MISS_CAUSE_").size());
  return playback;
}

absl::StatusOr<SteerResponse> Viewers::Ask(const LabViewer& viewer, const Title& title) {
  const SteerRequest request = MakeRequest(viewer, title.name());
  ASSIGN_OR_RETURN(const SteerResponse answer, plane_.Steer(request));
  ASSIGN_OR_RETURN(const SteerResponse by_json, AskJson(request));
  RETURN_IF_ERROR(Verify(viewer, answer));
  if (Essence(answer) != Essence(by_json)) return Differs(viewer, "the answer by JSON", Essence(by_json), Essence(answer));
  return answer;
}

absl::Status Viewers::Verify(const LabViewer& viewer, const SteerResponse& answer) const {
  if (answer.verdict() != SteerResponse::VERDICT_OK)
    return Differs(viewer, "the verdict", absl::StrCat(answer.reason(), ", ", answer.reason_detail()), "OK");
  if (answer.matched_prefix() != viewer.matched_prefix)
    return Differs(viewer, "the matched prefix", answer.matched_prefix(), viewer.matched_prefix);
  if (answer.files_size() != 4) return Differs(viewer, "the number of files", absl::StrCat(answer.files_size()), "4");
  const auto family = viewer.address.is_v4() ? common::v1::ADDRESS_FAMILY_IPV4 : common::v1::ADDRESS_FAMILY_IPV6;
  for (const FileAnswer& file : answer.files()) {
    if (file.urls().empty()) return Differs(viewer, file.path(), "without a URL", "held by somebody");
    const RankedUrl& first = file.urls(0);
    if (ShortName(first.site()) != viewer.site) return Differs(viewer, "the site", first.site(), viewer.site);
    if (first.family() != family) return Differs(viewer, "the family of the first URL", absl::StrCat(first.family()), absl::StrCat(family));
  }
  return absl::OkStatus();
}

absl::Status Viewers::Fetch(const FileAnswer& answer, const File& file, Playback& playback) {
  const RankedUrl& url = answer.urls(0);
  const auto wrong = [&](absl::string_view what) {
    return absl::InternalError(absl::StrCat(url.appliance(), ", ", answer.path(), ": ", what));
  };
  ASSIGN_OR_RETURN(const HttpReply playlist, http_.Get(url.playlist_url()));
  if (playlist.status != 200) return wrong(absl::StrCat("the playlist has status ", playlist.status));
  if (Sha256(playlist.body) != file.playlist().sha256()) return wrong("the playlist is not the imported one");
  ASSIGN_OR_RETURN(
      const HlsPlaylist parsed,
      ParseHlsPlaylist(playlist.body, {.file_name = answer.path().substr(answer.path().rfind('/') + 1), .file_size = file.size_bytes()}));
  std::vector<ByteRange> ranges = {parsed.map};
  for (const HlsSegment& segment : parsed.segments) ranges.push_back(segment.range);
  const std::string source = ReadText(layout_.Run(absl::StrCat("media/", answer.path())));
  std::string whole;
  for (const ByteRange& range : ranges) {
    ASSIGN_OR_RETURN(const HttpReply part, http_.Get(url.url(), {absl::StrCat("Range: bytes=", range.offset, "-", range.end() - 1)}));
    if (part.status != 206) return wrong(absl::StrCat("a byte range has status ", part.status));
    if (part.body != source.substr(static_cast<size_t>(range.offset), static_cast<size_t>(range.length))) {
      return wrong(absl::StrCat("bytes ", range.offset, "–", range.end() - 1, " differ from the imported file"));
    }
    whole += part.body;
    ++playback.ranges;
  }
  if (!parsed.contiguous()) return wrong("the playlist leaves bytes out");
  if (Sha256(whole) != file.sha256()) return wrong("the SHA-256 of the whole is not the catalogue's");
  ++playback.files;
  playback.bytes += static_cast<int64_t>(whole.size() + playlist.body.size());
  playback.appliances.insert(ShortName(url.appliance()));
  return absl::OkStatus();
}

absl::StatusOr<SteerResponse> Viewers::AskJson(const SteerRequest& request) {
  std::string body;
  if (!google::protobuf::util::MessageToJsonString(request, &body).ok()) return absl::InternalError("can't write the request as JSON");
  ASSIGN_OR_RETURN(const HttpReply reply, http_.Post(absl::StrCat("http://", layout_.front_http, "/v1/steer"), body,
                                                     {"Content-Type: application/json", "X-Fairlead-Principal: service/playback"}));
  if (reply.status != 200) return absl::InternalError(absl::StrCat("JSON: status ", reply.status, ": ", reply.body.substr(0, 300)));
  SteerResponse answer;
  const auto parsed = google::protobuf::util::JsonStringToMessage(reply.body, &answer);
  if (!parsed.ok()) return absl::InternalError(absl::StrCat("JSON: the answer is no SteerResponse: ", std::string(parsed.message())));
  return answer;
}

absl::Status Viewers::CheckRefusals(const LabViewer& viewer, const std::vector<Title>& titles, Report& report) {
  ASSIGN_OR_RETURN(const SteerResponse answer, plane_.Steer(MakeRequest(viewer, titles[0].name())));
  if (answer.files().empty() || answer.files(0).urls().empty()) return absl::InternalError("no URL to try");
  ASSIGN_OR_RETURN(const std::vector<BadUrl> urls, MakeBadUrls(layout_, answer.files(0).urls(0).url(), ShortName(titles[1].name())));
  for (const BadUrl& bad : urls) {
    const absl::StatusOr<HttpReply> reply = http_.Get(bad.url);
    const std::string got = reply.ok() ? absl::StrCat(reply->status) : std::string(reply.status().message());
    report.Check(reply.ok() && reply->status == 403, absl::StrCat(bad.what, ": ", got));
  }
  return absl::OkStatus();
}

}  // namespace fairlead
