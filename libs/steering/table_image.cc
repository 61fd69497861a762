#include "libs/steering/table_image.h"

#include <utility>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/steering/image_codec.h"
#include "libs/steering/image_parts.h"

namespace fairlead {
namespace {

// What no policy has more of.
constexpr int64_t kFarthestKm = 20'100;

void Put(const std::vector<ProximityStep>& steps, ImageWriter& out) {
  out.Number(steps.size());
  for (const ProximityStep step : steps) out.Word(step);
}

std::vector<ProximityStep> TakeSteps(ImageReader& in) {
  std::vector<ProximityStep> steps;
  for (size_t count = in.Count(1); count > 0; --count) steps.push_back(in.Word(ProximityStep::kDistance));
  return steps;
}

void Put(const GuardPolicy& guard, ImageWriter& out) {
  out.Word(guard.mode);
  out.Number(guard.removable_permille);
  out.Number(guard.removable_boxes);
  for (const absl::Duration time : {guard.window, guard.thaw_after, guard.cell_stale_after}) out.Signed(absl::ToInt64Milliseconds(time));
  out.Number(guard.wave_sites);
  out.Number(guard.corroborated_sites);
}

GuardPolicy TakeGuard(ImageReader& in) {
  GuardPolicy guard = {.mode = in.Word(GuardMode::kBelieveNone)};
  guard.removable_permille = in.Small<uint32_t>();
  guard.removable_boxes = in.Small<uint32_t>();
  for (absl::Duration* time : {&guard.window, &guard.thaw_after, &guard.cell_stale_after}) *time = absl::Milliseconds(in.Signed());
  guard.wave_sites = in.Small<uint32_t>();
  guard.corroborated_sites = in.Small<uint32_t>();
  return guard;
}

void Put(const SteeringPolicy& policy, ImageWriter& out) {
  Put(policy.steps, out);
  out.Number(policy.class_steps.size());
  for (const ClassSteps& steps : policy.class_steps) {
    out.Word(steps.transport);
    out.Text(steps.partner.has_value() ? steps.partner->value() : "");
    Put(steps.steps, out);
  }
  out.Word(policy.more_specific_scope);
  out.Word(policy.med_scope);
  out.Number(static_cast<uint64_t>(policy.distance_step_km));
  out.Number(policy.full_permille);
  out.Number(policy.congested_permille);
  out.Number(policy.congested_cap_bps);
  Put(policy.guard, out);
}

SteeringPolicy TakePolicy(ImageReader& in) {
  SteeringPolicy policy = {.steps = TakeSteps(in)};
  for (size_t count = in.Count(3); count > 0; --count) {
    ClassSteps& steps = policy.class_steps.emplace_back();
    steps.transport = in.Word(TransportClass::kTransit);
    if (std::string partner = in.String(); !partner.empty()) steps.partner = PartnerId(std::move(partner));
    steps.steps = TakeSteps(in);
  }
  policy.more_specific_scope = in.Word(MoreSpecificScope::kAll);
  policy.med_scope = in.Word(MedScope::kAlways);
  policy.distance_step_km = in.Small<uint16_t>();
  policy.full_permille = in.Small<uint32_t>();
  policy.congested_permille = in.Small<uint32_t>();
  policy.congested_cap_bps = in.Number();
  policy.guard = TakeGuard(in);
  return policy;
}

struct Head {
  ImageCounts counts;
  uint64_t fingerprint = 0;
  uint64_t left_out = 0;
  uint64_t ladders = 0;
  uint64_t row_slots = 0;
  SteeringPolicy policy = {};
};

absl::StatusOr<Head> ReadHead(absl::string_view bytes) {
  ImageReader in(bytes);
  Head head;
  head.counts = {.version = in.Number(), .boxes = in.Number(), .prefixes = in.Number(), .files = in.Number()};
  head.fingerprint = in.Number();
  head.left_out = in.Number();
  head.ladders = in.Number();
  head.row_slots = in.Number();
  head.policy = TakePolicy(in);
  if (!in.Done()) return BrokenPart("head", "it is cut, or something follows it");
  if (const absl::Status valid = ValidatePolicy(head.policy); !valid.ok() || head.policy.distance_step_km > kFarthestKm) {
    return BrokenPart("head", absl::StrCat("its policy can't be: ", valid.message()));
  }
  return head;
}

}  // namespace

ImageCounts CountsOf(const SteeringTable& table) {
  return {.version = table.version,
          .boxes = table.fleet->boxes().size(),
          .prefixes = table.ladders->prefixes(),
          .files = table.catalogue->file_count()};
}

void WriteImage(const SteeringTable& table, ImageSink& sink) {
  const ImageCounts counts = CountsOf(table);
  ImageWriter head;
  for (const uint64_t count : {counts.version, counts.boxes, counts.prefixes, counts.files}) head.Number(count);
  head.Number(table.fleet->fingerprint());
  head.Number(table.ladders->routes_left_out());
  head.Number(table.ladders->distinct_ladders());
  head.Number(table.holdings->row_slots());
  Put(table.policy, head);
  sink.Begin(ImagePart::kHead);
  sink.Append(head.bytes());
  ImageParts::WriteFleet(*table.fleet, sink);
  ImageParts::WriteLadders(*table.ladders, sink);
  ImageParts::WriteHoldings(*table.holdings, sink);
  ImageParts::WriteCatalogue(*table.catalogue, sink);
}

absl::StatusOr<ImageCounts> ReadImageCounts(absl::string_view head) {
  ASSIGN_OR_RETURN(const Head read, ReadHead(head));
  return read.counts;
}

absl::StatusOr<std::shared_ptr<const SteeringTable>> ReadImage(const TableImage& image, DoBoth do_both) {
  ASSIGN_OR_RETURN(const Head head, ReadHead(image.parts[static_cast<size_t>(ImagePart::kHead)]));
  SteeringTable parts = {.version = head.counts.version, .policy = head.policy};
  ASSIGN_OR_RETURN(parts.fleet, ImageParts::ReadFleet(image.parts[static_cast<size_t>(ImagePart::kFleet)]));
  if (parts.fleet->fingerprint() != head.fingerprint) return BrokenPart("fleet", "it isn't the one that the ladders were built for");
  const auto read_ladders = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(parts.ladders, ImageParts::ReadLadders(image, *parts.fleet, head.left_out, head.ladders, do_both));
    return absl::OkStatus();
  };
  const auto read_others = [&]() -> absl::Status {
    RETURN_IF_ERROR(ImageParts::CheckHeads(image, *parts.fleet));
    ASSIGN_OR_RETURN(parts.holdings, ImageParts::ReadHoldings(image, *parts.fleet, head.row_slots));
    ASSIGN_OR_RETURN(parts.catalogue, ImageParts::ReadCatalogue(image, head.counts.files));
    return absl::OkStatus();
  };
  absl::Status ladders;
  absl::Status others;
  do_both([&] { ladders = read_ladders(); }, [&] { others = read_others(); });
  RETURN_IF_ERROR(ladders);
  RETURN_IF_ERROR(others);
  if (parts.fleet->boxes().size() != head.counts.boxes || parts.ladders->prefixes() != head.counts.prefixes) {
    return BrokenPart("head", "it counts other boxes or prefixes than there are");
  }
  return AssembleSteeringTable(std::move(parts));
}

}  // namespace fairlead
