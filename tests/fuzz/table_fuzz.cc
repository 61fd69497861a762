// steerd's table on disk: whatever the bytes are, the reader refuses them by name, or it has a table that can be decided from, explained
// and looked up in without leaving its memory.
//
// The first byte says what the rest is: 'f' a file as it is; 'd' damage to an honest file (bits, cuts, holes, parts of an older one), which
// must be refused; 'c' the same with its checksums made right again, so that what lies behind them is reached; 'p' damage to the parts of
// an image, each in memory of exactly its size.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/checkpoint/file.h"
#include "libs/steering/decide.h"
#include "libs/steering/decider.h"
#include "libs/steering/image_buffer.h"
#include "libs/steering/table_image.h"
#include "services/steering/table_file.h"
#include "tests/fuzz/byte_reader.h"
#include "tests/fuzz/require.h"

namespace fairlead {
namespace {

constexpr int kMostDamage = 8;
constexpr uint32_t kBoxes = 210;

// Two sites, routes of covering prefixes in both families, and rows of every form: in the word, flat, behind an index, a bitmap.
std::shared_ptr<const SteeringTable> Honest(uint64_t version) {
  SteeringInputs in = {.version = version};
  in.links = {{.id = LinkId("port"), .capacity_bps = 100}, {.id = LinkId("up"), .capacity_bps = 100}};
  in.sites = {{.id = SiteId("a"), .kind = SiteKind::kEmbedded, .uplinks = {LinkId("up")}},
              {.id = SiteId("x"), .kind = SiteKind::kIx, .open_to_unrouted = true}};
  for (uint32_t i = 0; i < kBoxes; ++i) {
    in.appliances.push_back({.id = ApplianceId(absl::StrCat("b", 1'000 + i)),
                             .site = SiteId(i % 7 == 0 ? "a" : "x"),
                             .kind = ApplianceKind::kStorage,
                             .endpoints = {{AddressFamily::kIpv4, "https", "h.example", 443}},
                             .capacity_bps = 100,
                             .admin = AdminState::kLive,
                             .health = HealthState::kOk});
  }
  auto all = std::make_shared<PrefixTable<std::monostate>>();
  for (const char* prefix : {"0.0.0.0/0", "::/0"}) all->Insert(*Prefix::Parse(prefix), {});
  in.sessions = {
      {.id = BgpSessionId("e"), .partner = PartnerId("isp"), .transport = TransportClass::kEmbedded, .site = SiteId("a"), .allowed = all},
      {.id = BgpSessionId("p"), .transport = TransportClass::kPublicPeering, .site = SiteId("x"), .link = LinkId("port"), .allowed = all}};
  for (const char* prefix : {"0.0.0.0/0", "198.51.100.0/22", "198.51.100.0/24", "2001:db8::/32", "2001:db8:1::/48"}) {
    for (const uint32_t session : {0u, 1u}) {
      in.routes.push_back({.prefix = *Prefix::Parse(prefix), .session = session, .neighbour_as = 64'500 + session, .as_path_length = 2});
    }
  }
  constexpr uint32_t kHolders[] = {2, 40, 150, kBoxes};
  VersionView titles = {.version = "v1", .playable_sets = {{.name = "all", .files = {0, 1}}}};
  for (uint32_t file = 0; file < 4; ++file) {
    titles.files.push_back({.number = file, .path = absl::StrCat("t/v1/r", file, "/f.mp4"), .rendition = absl::StrCat("r", file)});
  }
  in.titles = {{.id = TitleId("t"), .versions = {titles}}, {.id = TitleId("u")}};
  for (uint32_t i = 0; i < kBoxes; ++i) {
    std::vector<uint32_t> files;
    for (uint32_t file = 0; file < 4; ++file) {
      if (i < kHolders[file]) files.push_back(file);
    }
    in.holdings.push_back({in.appliances[i].id, std::make_shared<const FileSet>(FileSet::Of(files))});
  }
  return BuildSteeringTable(std::move(in)).value();
}

std::string FileOf(const SteeringTable& table) {
  std::string folder = "/tmp/table-fuzz-XXXXXX";
  FUZZ_REQUIRE(mkdtemp(folder.data()) != nullptr, folder);
  const std::string path = folder + "/table";
  const absl::Status written = WriteTableFile(path, table, {.active_key_ids = {"k"}});
  FUZZ_REQUIRE(written.ok(), written.ToString());
  std::string bytes = *ReadFile(path, size_t{1} << 30);
  std::filesystem::remove_all(folder);
  return bytes;
}

struct Base {
  ImageBuffer parts;
  std::string file;
  std::string older;
};
const Base& TheBase() {
  static const Base* const base = [] {
    auto* const made = new Base();
    WriteImage(*Honest(7), made->parts);
    made->file = FileOf(*Honest(7));
    made->older = FileOf(*Honest(6));
    return made;
  }();
  return *base;
}

// Everything that a request can look at.
void Use(const SteeringTable& table) {
  const Decider decider(table);
  DecisionScratch scratch;
  std::vector<DecisionQuery> queries;
  for (const char* client : {"198.51.100.9", "198.51.103.9", "192.0.2.1", "2001:db8:1::9", "2001:db8:2::9", "2003::1"}) {
    for (const uint32_t file : {0u, 1u, 2u, 3u, 600u})
      queries.push_back({.client = *IpAddress::Parse(client), .file = file, .spread_key = file, .max_urls = 3});
  }
  std::vector<FileChoice> choices(queries.size());
  decider.DecideMany(queries, scratch, choices.data());
  for (const FileChoice& choice : choices) {
    for (const UrlChoice& url : choice.list()) FUZZ_REQUIRE(url.box < table.fleet->boxes().size(), url.box);
  }
  Explanation record;
  for (const char* client : {"198.51.100.9", "2001:db8:1::9"}) {
    Decide(table, {.client = *IpAddress::Parse(client), .title = TitleId("t"), .max_pathways = 3}, &record);
    table.ladders->Find(*IpAddress::Parse(client));
  }
  for (const uint32_t file : {0u, 3u, 4u, 0xffffffffu}) table.catalogue->FindFile(file);
  table.catalogue->FindPath("t/v1/r2/f.mp4");
  table.catalogue->FindTitle(TitleId("u"));
  for (uint32_t box = 0; box < table.fleet->boxes().size(); box += 13) table.holdings->Holds(box, 2);
}

void CheckRefusal(const absl::Status& status) {
  FUZZ_REQUIRE(status.code() == absl::StatusCode::kDataLoss, status.ToString());
  FUZZ_REQUIRE(!status.message().empty() && status.message().size() < 1'000, status.message().size());
}

bool Taken(const std::string& bytes) {
  void* memory = nullptr;
  FUZZ_REQUIRE(posix_memalign(&memory, kSectionAlignment, std::max<size_t>(1, bytes.size())) == 0, bytes.size());
  const std::shared_ptr<void> keeper(memory, std::free);
  std::memcpy(memory, bytes.data(), bytes.size());
  const auto file = ReadTableBytes({static_cast<const char*>(memory), bytes.size()}, keeper);
  if (!file.ok()) {
    CheckRefusal(file.status());
    return false;
  }
  Use(*file->table);
  return true;
}

uint32_t Place(ByteReader& reader, size_t size) {
  const uint32_t high = reader.Word();
  return size == 0 ? 0 : (high << 8 | reader.Byte()) % static_cast<uint32_t>(size);
}

// Numbers of 8, 16, 32 and 64 bits are what parts are made of.
void Damage(ByteReader& reader, absl::string_view other, std::string& bytes) {
  const size_t at = Place(reader, bytes.size());
  const size_t left = bytes.size() - at;
  switch (reader.Byte() % 9) {
    case 0:
      if (left > 0) bytes[at] = static_cast<char>(bytes[at] ^ (1 << reader.Byte() % 8));
      return;
    case 1:
      if (left > 0) bytes[at] = static_cast<char>(reader.Byte());
      return;
    case 2:
      return bytes.resize(at);
    case 3:
      bytes.erase(at, reader.Word() % 5'000);
      return;
    case 4:
      bytes.insert(at, std::string(reader.Take(reader.Byte())));
      return;
    case 5:  // A part of itself once more.
      if (bytes.size() < (size_t{1} << 18)) bytes.insert(at, bytes.substr(Place(reader, bytes.size()), reader.Word()));
      return;
    case 6: {  // A part of another in the same place, as a torn write leaves it.
      const std::string part(other.substr(std::min(at, other.size()), reader.Word()));
      bytes.replace(at, std::min(part.size(), left), part);
      return;
    }
    case 7: {  // A number where numbers stand.
      const size_t width = size_t{1} << reader.Byte() % 4;
      const size_t aligned = at / width * width;
      const std::string number(reader.Take(width));
      if (aligned + number.size() <= bytes.size()) bytes.replace(aligned, number.size(), number);
      return;
    }
    default: {  // One that is a little more or less.
      const size_t width = size_t{1} << reader.Byte() % 4;
      const size_t aligned = at / width * width;
      if (aligned + width > bytes.size()) return;
      uint64_t number = 0;
      std::memcpy(&number, bytes.data() + aligned, width);
      number += reader.Byte() % 33;
      number -= 16;
      std::memcpy(bytes.data() + aligned, &number, width);
      return;
    }
  }
}

void CheckDamagedFile(ByteReader reader, bool right_sums) {
  const Base& base = TheBase();
  std::string bytes = base.file;
  for (int step = 0; step == 0 || (step < kMostDamage && !reader.empty()); ++step) Damage(reader, base.older, bytes);
  if (right_sums) {
    Taken(WithRightSums(bytes));
    return;
  }
  // It may have become what one of the two was, and nothing else.
  const bool honest = bytes == base.file || bytes == base.older;
  FUZZ_REQUIRE(Taken(bytes) == honest, honest ? "an honest file was refused" : "a damaged file was taken");
}

void CheckDamagedParts(ByteReader reader) {
  const Base& base = TheBase();
  ImageBuffer parts = base.parts;
  for (int step = 0; step == 0 || (step < kMostDamage && !reader.empty()); ++step) {
    const ImagePart part = static_cast<ImagePart>(reader.Byte() % kImageParts);
    const std::string other = parts.part(static_cast<ImagePart>(reader.Byte() % kImageParts));
    Damage(reader, other, parts.part(part));
  }
  const auto table = ReadImage(parts.Image());
  if (table.ok()) {
    Use(**table);
  } else {
    CheckRefusal(table.status());
  }
}

}  // namespace
}  // namespace fairlead

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fairlead::ByteReader reader(data, size);
  switch (reader.Byte()) {
    case 'f':
      fairlead::Taken(std::string(reader.Rest()));
      break;
    case 'd':
      fairlead::CheckDamagedFile(reader, false);
      break;
    case 'c':
      fairlead::CheckDamagedFile(reader, true);
      break;
    case 'p':
      fairlead::CheckDamagedParts(reader);
      break;
    default:
      break;
  }
  return 0;
}
