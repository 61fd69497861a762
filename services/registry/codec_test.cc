#include "services/registry/codec.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead::registry {
namespace {

// A value in every field, lists and messages included, so that no field can be forgotten by a codec.
template <typename V>
void Fill(V& value, int& seed) {
  ++seed;
  if constexpr (std::is_same_v<V, std::string>) {
    value = absl::StrCat("text-", seed);
  } else if constexpr (std::is_same_v<V, bool>) {
    value = true;
  } else if constexpr (std::is_same_v<V, absl::Duration>) {
    value = absl::Milliseconds(1500 + seed);
  } else if constexpr (std::is_same_v<V, absl::Time>) {
    value = absl::FromUnixMicros(1'800'000'000'000'000 + seed);
  } else if constexpr (IsEnum<V>) {
    value = static_cast<V>(1);
  } else if constexpr (IsId<V>) {
    value = V(absl::StrCat("id-", seed));
  } else if constexpr (IsOptional<V>) {
    Fill(value.emplace(), seed);
  } else if constexpr (IsVector<V>) {
    for (int i = 0; i < 2; ++i) Fill(value.emplace_back(), seed);
  } else if constexpr (IsStruct<V>) {
    V::Fields([&](const auto& field) { Fill(value.*field.member, seed); });
  } else {
    value = static_cast<V>(seed);
  }
}

TEST(CodecTest, EveryFieldOfEveryKindSurvives) {
  PublicKinds::ForEach([]<typename T>() {
    Record<T> record;
    int seed = 100;
    T::Fields([&](const auto& field) {
      if constexpr (std::is_same_v<T, Policy>) {
        if (field.name == "health" || field.name == "drain") return;  // A policy has one body.
      }
      Fill(record.value.*field.member, seed);
    });
    record.value.id = typename T::IdType("x");
    record.meta = {
        .uid = "u", .generation = 7, .create_time = absl::FromUnixMicros(1'800'000'000'000'001), .update_time = absl::UnixEpoch()};
    const ProtoOf<T> message = ToProto(record);
    EXPECT_EQ(message.etag(), "\"7\"");
    EXPECT_EQ(message.create_time().nanos(), 1000);
    const absl::StatusOr<T> decoded = FromProto<T>(message, record.value.id);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_TRUE(*decoded == record.value) << T::kKind;
  });
}

// The other way: a field added to the contract but not to the resource would silently be lost.
TEST(CodecTest, EveryFieldOfTheContractIsKnown) {
  PublicKinds::ForEach([]<typename T>() {
    const google::protobuf::Descriptor* descriptor = ProtoOf<T>::descriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const std::string& name = descriptor->field(i)->name();
      bool known = name == "name" || name == "uid" || name == "create_time" || name == "update_time" || name == "etag";
      T::Fields([&](const auto& field) { known = known || field.name == name; });
      EXPECT_TRUE(known) << T::kKind << "." << name;
    }
  });
}

TEST(CodecTest, ATimeOutOfRangeIsRefused) {
  v1::Drain message;
  message.mutable_start_time()->set_nanos(1'000'000'000);
  const absl::Status status = FromProto<Drain>(message, DrainId("x")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "drain.start_time");
}

TEST(CodecTest, ADurationOutOfRangeIsRefused) {
  v1::Cluster message;
  message.mutable_fill_policy()->mutable_escalation_wait()->set_seconds(-1);
  const absl::Status status = FromProto<Cluster>(message, ClusterId("x")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "cluster.fill_policy.escalation_wait");
}

}  // namespace
}  // namespace fairlead::registry
