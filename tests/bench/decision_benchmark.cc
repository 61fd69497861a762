// What a steering decision costs at full scale: 1,100,000 IPv4 and 250,000 IPv6 prefixes, 20,000 boxes at 6,000 sites, 10,000,000 files of
// which a box holds 50,000 on average. Beside each figure its floor: the cache lines that such a decision must touch, times what a line
// costs in this run, plus the prefix match.
//
//   ./run bench decision                    # Some minutes and 5 GB.
//   ./run bench decision --scale 0.01       # A world of a hundredth, for a quick look.
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "libs/base/huge_memory.h"
#include "libs/steering/decide.h"
#include "libs/steering/decider.h"
#include "libs/steering/file_set.h"
#include "libs/steering/ladder_book.h"
#include "libs/steering/steering_table.h"
#include "tests/bench/rows.h"
#include "tests/generator/demand.h"
#include "tests/generator/world.h"

namespace fairlead {
namespace {

using Goal = BenchRow::Goal;
constexpr int kTimes = 7;     // Medians of so many.
constexpr size_t kTurn = 16;  // Decisions that the decider takes each step of together.

double Gigabytes(size_t bytes) {
  return static_cast<double>(bytes) / 1e9;
}

// ---- What is measured ----

class Bench {
 public:
  Bench(double scale, Rows& rows) : scale_(scale), rows_(rows), world_(Options(scale)) {}

  void Build() {
    double start = CpuSeconds();
    parts_.version = 1;
    parts_.fleet = Fleet::Build(world_.sites(), world_.appliances(), world_.links());
    rows_.Add({"build: fleet", 1e3 * (CpuSeconds() - start), "ms"});
    BuildLadders();
    BuildHoldings();
    std::vector<TitleView> titles;
    for (uint64_t rank = 0; rank < std::min<uint64_t>(300, world_.titles()); ++rank)
      titles.push_back(world_.Title(world_.TitleOfRank(rank)));
    parts_.catalogue = Catalogue::Build(std::move(titles));
    table_ = AssembleSteeringTable(parts_).value();
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    rows_.Add({"memory: all, at its peak", Gigabytes(static_cast<size_t>(usage.ru_maxrss) * 1'024), "GB", kNothing, Goal::kValueAtMost, 6});
  }

  void MeasureLine() {
    // As large as what decisions read at random, in huge pages, 16 lines in flight.
    const size_t bytes = std::max<size_t>(size_t{64} << 20, static_cast<size_t>(scale_ * 2e9));
    const HugeMemory memory = AllocateHuge(bytes);
    const auto* const words = static_cast<const uint64_t*>(memory.get());
    const uint64_t lines = bytes / 64;
    constexpr size_t kReads = 1 << 20;
    SeededRandom random(1);
    std::vector<uint64_t> at(kReads);
    for (uint64_t& line : at) line = random.Below(lines) * 8;
    uint64_t sum = 0;
    line_ns_ = 1e9 / kReads * MedianCpu(kTimes, [&] {
                 for (size_t i = 0; i < kReads; i += 16) {
                   for (size_t j = i; j < i + 16; ++j) __builtin_prefetch(&words[at[j]]);
                   for (size_t j = i; j < i + 16; ++j) sum += words[at[j]];
                 }
               });
    benchmark::DoNotOptimize(sum);
    uint64_t next = 0;
    const double dependent = 1e9 / (kReads / 8) * MedianCpu(3, [&] {
                               for (size_t i = 0; i < kReads / 8; ++i) next = at[(i + words[next]) % kReads];
                             });
    benchmark::DoNotOptimize(next);
    rows_.Add({"line: 16 in flight", line_ns_, "ns"});
    rows_.Add({"line: each after the other", dependent, "ns"});
  }

  void Decide(AddressFamily family, bool zipf) {
    const std::string who = absl::StrCat(family == AddressFamily::kIpv4 ? "v4" : "v6", zipf ? " Zipf" : " in-prefix");
    Demand demand(world_, 11);
    std::vector<DecisionQuery> queries(size_t{1} << 17);
    for (DecisionQuery& query : queries) {
      query.client = zipf ? demand.ZipfClient(family) : demand.ClientInPrefix(family);
      query.file = demand.File();
      query.spread_key = demand.random().Next();
    }
    const Decider decider(*table_);
    DecisionScratch scratch;
    std::vector<FileChoice> choices(queries.size());
    const double count = static_cast<double>(queries.size());

    uint64_t sum = 0;
    const double lookup = 1e9 / count * MedianCpu(kTimes, [&] {
                            for (const DecisionQuery& query : queries) sum += table_->ladders->LeafOf(query.client);
                          });
    benchmark::DoNotOptimize(sum);
    const double bulk = 1e9 / count * MedianCpu(kTimes, [&] { decider.DecideMany(queries, scratch, choices.data()); });
    const Lines lines = CountLines(queries, choices);
    const double floor = lookup + line_ns_ * lines.all();
    rows_.Add({absl::StrCat("bulk, ", who), bulk, "ns", floor, Goal::kRatioAtMost, 1.5});
    rows_.Add({absl::StrCat("  without the match, ", who), bulk - lookup, "ns", floor - lookup, Goal::kRatioAtMost, 1.5});
    rows_.Add({absl::StrCat("  the match, ", who), lookup, "ns"});
    PrintLines(who, lines, choices);
    Breakdown(who, queries, decider, scratch, choices);
    OneAtATime(who, queries, choices, decider, scratch);
    bulk_[zipf ? 1 : 0][family == AddressFamily::kIpv6 ? 1 : 0] = {.whole = bulk, .without_match = bulk - lookup};
  }

  void CompareFamilies() {
    for (const bool zipf : {false, true}) {
      const auto& [v4, v6] = bulk_[zipf ? 1 : 0];
      rows_.Add({absl::StrCat("bulk v6 beside v4, ", zipf ? "Zipf" : "in-prefix"), v6.whole, "ns", v4.whole, Goal::kRatioAtMost, 1.15});
      rows_.Add({"  without the match", v6.without_match, "ns", v4.without_match, Goal::kRatioAtMost, 1.15});
    }
  }

  // A million sessions over the sixteen equal boxes of a site, and over the fifteen that are left when one goes: by the decision itself,
  // which draws by bounds, and not by the cost that these are bounds of.
  void Spread() {
    constexpr size_t kBoxes = 16;
    constexpr size_t kSessions = 1'000'000;
    SeededRandom random(17);
    std::vector<ApplianceId> boxes;
    for (size_t i = 0; i < kBoxes; ++i) boxes.push_back(ApplianceId(absl::StrCat("oca-", random.Next())));
    std::vector<DecisionQuery> queries;
    for (size_t i = 0; i < kSessions; ++i) {
      queries.push_back(
          {.client = IpAddress::V4(0x09090909), .spread_key = SpreadKey(absl::StrCat("session-", i), "bench"), .max_urls = 1});
    }
    const std::vector<ApplianceId> before = FirstBoxes(*OneSite(boxes), queries);
    std::map<ApplianceId, size_t> load;
    for (const ApplianceId& box : boxes) load[box] = 0;
    for (const ApplianceId& box : before) ++load[box];
    size_t most = 0;
    size_t least = kSessions;
    for (const auto& [box, sessions] : load) {
      most = std::max(most, sessions);
      least = std::min(least, sessions);
    }
    boxes.erase(boxes.begin() + kBoxes / 2);
    const std::vector<ApplianceId> after = FirstBoxes(*OneSite(boxes), queries);
    size_t moved = 0;
    for (size_t i = 0; i < kSessions; ++i) moved += before[i] == after[i] ? 0 : 1;
    const double share = static_cast<double>(kSessions) / kBoxes;
    rows_.Add({"spread: farthest of 16 boxes from an equal share", 100 * std::max(most / share - 1, 1 - least / share), "%", kNothing,
               Goal::kValueAtMost, 2});
    rows_.Add({"spread: clients that move when a box goes", static_cast<double>(moved), "", share, Goal::kRatioAtMost, 1.05});
  }

  void InWords() {
    Demand demand(world_, 12);
    std::vector<SteeringRequest> requests(20'000);
    ZipfSampler titles(table_->catalogue->title_count());
    for (SteeringRequest& request : requests) {
      request = {.client = demand.ZipfClient(AddressFamily::kIpv4),
                 .title = world_.NameOfTitle(world_.TitleOfRank(titles.Draw(demand.random()))),
                 .renditions = {"r001"},
                 .max_pathways = 0};
    }
    size_t urls = 0;
    const double cost = MedianCpu(3, [&] {
      for (const SteeringRequest& request : requests) urls += fairlead::Decide(*table_, request).files[0].candidates.size();
    });
    benchmark::DoNotOptimize(urls);
    rows_.Add({"in words (strings for the codec): 1 file, 3 URLs, v4 Zipf", 1e9 / static_cast<double>(requests.size()) * cost, "ns"});
  }

  void Updates() {
    ChangeHoldings();
    ChangeHealth();
    ChangeRoutes();
  }

 private:
  static WorldOptions Options(double scale) { return scale >= 1 ? WorldOptions() : WorldOptions::Scaled(scale); }

  // A site of equal boxes that is open to all, and a file that all of them hold.
  static std::shared_ptr<const SteeringTable> OneSite(const std::vector<ApplianceId>& boxes) {
    SteeringInputs inputs;
    inputs.sites.push_back({.id = SiteId("ix"), .kind = SiteKind::kIx, .open_to_unrouted = true});
    for (const ApplianceId& box : boxes) {
      inputs.appliances.push_back({.id = box,
                                   .site = SiteId("ix"),
                                   .kind = ApplianceKind::kStorage,
                                   .endpoints = {{AddressFamily::kIpv4, "https", "box.example.net", 443}},
                                   .capacity_bps = 40'000'000'000,
                                   .admin = AdminState::kLive,
                                   .health = HealthState::kOk});
      inputs.holdings.push_back({box, std::make_shared<const FileSet>(FileSet::Of({0}))});
    }
    return BuildSteeringTable(std::move(inputs)).value();
  }

  // Who is named first, to each query.
  static std::vector<ApplianceId> FirstBoxes(const SteeringTable& table, const std::vector<DecisionQuery>& queries) {
    DecisionScratch scratch;
    std::vector<FileChoice> choices(queries.size());
    Decider(table).DecideMany(queries, scratch, choices.data());
    std::vector<ApplianceId> boxes;
    boxes.reserve(queries.size());
    for (const FileChoice& choice : choices) {
      if (choice.count == 0) std::abort();
      boxes.push_back(table.fleet->boxes()[choice.urls[0].box].view.id);
    }
    return boxes;
  }

  std::vector<RouteView> RoutesOf(const WorldRouteSet& set) const {
    std::vector<RouteView> routes;
    for (const WorldRoute& route : set) {
      routes.push_back(
          {.session = route.session, .neighbour_as = route.neighbour_as, .med = route.med, .as_path_length = route.as_path_length});
    }
    return routes;
  }

  void BuildLadders() {
    const double start = CpuSeconds();
    book_ = std::make_unique<LadderBook>(parts_.fleet, world_.sessions(), nullptr, SteeringPolicy());
    for (size_t i = 0; i < world_.prefixes().size(); ++i) {
      book_->Set(world_.prefixes()[i], RoutesOf(world_.route_sets()[world_.set_of_prefix()[i]]));
    }
    const double set = CpuSeconds();
    parts_.ladders = book_->Publish();
    const double prefixes = static_cast<double>(world_.prefixes().size());
    rows_.Add({"build: route sets, a prefix", 1e9 / prefixes * (set - start), "ns"});
    rows_.Add({"build: ladders, a prefix", 1e9 / prefixes * (CpuSeconds() - set), "ns"});
    rows_.Add({"build: ladders, each distinct one", 1e9 / static_cast<double>(book_->ladders_built()) * (CpuSeconds() - set), "ns"});
    rows_.Add({"ladders: prefixes", prefixes, ""});
    rows_.Add({"ladders: distinct", static_cast<double>(parts_.ladders->distinct_ladders()), ""});
    rows_.Add({"memory: rungs", Gigabytes(book_->bytes()), "GB"});
  }

  void BuildHoldings() {
    const double start = CpuSeconds();
    holdings_ = std::make_unique<HoldingsBook>(static_cast<uint32_t>(parts_.fleet->slots().size()));
    std::vector<uint32_t> boxes;
    std::vector<uint16_t> slots;
    uint64_t pairs = 0;
    for (uint32_t file = 0; file < world_.options().files; ++file) {
      world_.HoldersOf(file, boxes);
      slots.clear();
      for (const uint32_t box : boxes) slots.push_back(static_cast<uint16_t>(parts_.fleet->boxes()[box].slot));
      holdings_->SetHolders(file, slots);
      pairs += slots.size();
    }
    parts_.holdings = holdings_->Publish(*parts_.fleet);
    rows_.Add({"build: holdings by file, drawing them included", CpuSeconds() - start, "s"});
    rows_.Add({"holdings: files a box", static_cast<double>(pairs) / static_cast<double>(world_.appliances().size()), ""});
    rows_.Add({"memory: holdings", Gigabytes(holdings_->bytes()), "GB", kNothing, Goal::kValueAtMost, 3});
    rows_.Add({"memory: holdings, a (box, file) pair", static_cast<double>(holdings_->bytes()) / static_cast<double>(pairs), "bytes"});
  }

  // ---- The floor ----

  struct Lines {
    double leaf = 0;
    double rungs = 0;
    double word = 0;
    double row = 0;
    double boxes = 0;
    double all() const { return leaf + rungs + word + row + boxes; }
  };

  // Up to which rank the walk must go: to that of the last URL if all are fit and there are enough over two sites, else to the end.
  static uint32_t LastRank(const Fleet& fleet, const FileChoice& choice) {
    std::set<uint32_t> sites;
    uint32_t last = 0;
    for (const UrlChoice& url : choice.list()) {
      if (url.fitness != Fitness::kFit) return 0xffffffff;
      sites.insert(fleet.boxes()[url.box].site);
      last = std::max<uint32_t>(last, url.rank);
    }
    return choice.count == 3 && sites.size() > 1 ? last : 0xffffffff;
  }

  // Distinct lines that each decision touches, on average. What all share and so stays near (links, the query, the answer) doesn't count.
  Lines CountLines(const std::vector<DecisionQuery>& queries, const std::vector<FileChoice>& choices) const {
    Lines lines;
    std::set<uintptr_t> rungs;
    std::set<uintptr_t> rows;
    std::set<uintptr_t> boxes;
    const auto line = [](const void* at) { return reinterpret_cast<uintptr_t>(at) / 64; };
    for (size_t i = 0; i < queries.size(); i += kTurn) {
      rungs.clear();
      rows.clear();
      boxes.clear();
      const LadderRef ladder = table_->ladders->LadderOf(choices[i].leaf);
      const Holdings::Row row = table_->holdings->RowOf(queries[i].file);
      const uint32_t last = LastRank(*table_->fleet, choices[i]);
      LadderWalk walk(ladder);
      uint32_t at = 0;
      for (Rung rung; walk.Next(rung) && rung.rank <= last; ++at) {
        rungs.insert(at < ladder.head_size ? line(&ladder.head[at]) : line(ladder.tail->data() + (at - ladder.head_size)));
        AddRowLines(row, rung.first_slot, rows);
        for (uint32_t mask = Holdings::MaskFrom(row, rung.first_slot) & rung.hears; mask != 0; mask &= mask - 1) {
          boxes.insert(line(&table_->condition->At(rung.first_slot + static_cast<uint32_t>(__builtin_ctz(mask)))));
        }
      }
      lines.leaf += 1;
      lines.word += 1;
      lines.rungs += static_cast<double>(rungs.size());
      lines.row += static_cast<double>(rows.size());
      lines.boxes += static_cast<double>(boxes.size());
    }
    const double counted = static_cast<double>((queries.size() + kTurn - 1) / kTurn);
    for (double* sum : {&lines.leaf, &lines.rungs, &lines.word, &lines.row, &lines.boxes}) *sum /= counted;
    return lines;
  }

  static void AddRowLines(Holdings::Row row, uint32_t slot, std::set<uintptr_t>& lines) {
    const uintptr_t at = row >> 16;
    const uint32_t tag = holder_rows::TagOf(row);
    if (tag <= holder_rows::kMostInline) return;
    if (tag == holder_rows::kDense) {
      lines.insert((at + slot / 8) / 64);
    } else if (tag <= holder_rows::kMostFlat) {
      for (uintptr_t end = 0; end < 2 * tag; end += 64) lines.insert((at + end) / 64);
    } else {
      lines.insert(at / 64);
      const uint32_t named = std::max(holder_rows::LinesUpTo(holder_rows::SlotsOf(row), slot), 1u);
      lines.insert(at / 64 + named - 1);
    }
  }

  void PrintLines(const std::string& who, const Lines& lines, const std::vector<FileChoice>& choices) {
    double served = 0;
    double zero = 0;
    for (const FileChoice& choice : choices) {
      served += choice.count > 0 ? 1 : 0;
      zero += choice.count > 0 && choice.urls[0].rank == 0 ? 1 : 0;
    }
    const double count = static_cast<double>(choices.size());
    rows_.Add({absl::StrCat("  lines it must touch, ", who), lines.all(), ""});
    rows_.Add({"    leaf", lines.leaf, ""});
    rows_.Add({"    rungs", lines.rungs, ""});
    rows_.Add({"    the file's word", lines.word, ""});
    rows_.Add({"    its row", lines.row, ""});
    rows_.Add({"    boxes", lines.boxes, ""});
    rows_.Add({"    served", 100 * served / count, "%"});
    rows_.Add({"    of rank 0", 100 * zero / count, "%"});
  }

  // ---- Where it goes ----

  // The decision's own code, in its own turns: what a turn takes when it has just been decided on, so that all it reads is near, and how
  // much longer it takes at first.
  void Breakdown(const std::string& who, const std::vector<DecisionQuery>& queries, const Decider& decider, DecisionScratch& scratch,
                 std::vector<FileChoice>& choices) {
    const auto decide = [&](int times) {
      return 1e9 / static_cast<double>(queries.size()) * MedianCpu(kTimes, [&] {
               for (size_t i = 0; i < queries.size(); i += kTurn) {
                 for (int time = 0; time < times; ++time) {
                   decider.DecideManyOnLeaves(absl::MakeConstSpan(queries).subspan(i, kTurn), scratch, &choices[i]);
                 }
               }
             });
    };
    const double once = decide(1);
    const double again = decide(2) - once;
    rows_.Add({absl::StrCat("  of it waiting for memory, ", who), once - again, "ns"});
    rows_.Add({"    the same decisions, with all they read near", again, "ns"});
  }

  void OneAtATime(const std::string& who, const std::vector<DecisionQuery>& queries, const std::vector<FileChoice>& choices,
                  const Decider& decider, DecisionScratch& scratch) {
    FileChoice choice;
    const auto time = [&](auto&& decide) {
      std::vector<double> took;
      took.reserve(queries.size());
      for (size_t i = 0; i < queries.size(); ++i) {
        const auto start = std::chrono::steady_clock::now();
        decide(i);
        const auto end = std::chrono::steady_clock::now();
        benchmark::DoNotOptimize(choice);
        took.push_back(std::chrono::duration<double, std::nano>(end - start).count());
      }
      return took;
    };
    const std::vector<double> whole = time([&](size_t i) { decider.Decide(queries[i], scratch, choice); });
    rows_.Add({absl::StrCat("one at a time, p50, ", who), Quantile(whole, 0.5), "ns", kNothing, Goal::kValueAtMost, 2'000});
    rows_.Add({absl::StrCat("one at a time, p99, ", who), Quantile(whole, 0.99), "ns", kNothing, Goal::kValueAtMost, 5'000});
    const std::vector<double> rest =
        time([&](size_t i) { decider.DecideOn(table_->ladders->LadderOf(choices[i].leaf), queries[i], false, scratch, choice); });
    rows_.Add({"  without the match, p50", Quantile(rest, 0.5), "ns"});
    rows_.Add({"  without the match, p99", Quantile(rest, 0.99), "ns"});
  }

  // ---- Changes ----

  // What a box holds, from the rows.
  std::vector<uint32_t> FilesOf(uint32_t box) const {
    std::vector<uint32_t> files;
    for (uint32_t file = 0; file < world_.options().files; ++file) {
      if (parts_.holdings->Holds(box, file)) files.push_back(file);
    }
    return files;
  }

  void ChangeHoldings() {
    const uint32_t box = static_cast<uint32_t>(parts_.fleet->boxes().size() / 2);
    const uint32_t slot = parts_.fleet->boxes()[box].slot;
    const std::vector<uint32_t> held = FilesOf(box);
    // A night's delta: whole titles that it didn't hold.
    std::vector<uint32_t> fresh;
    SeededRandom random(3);
    while (fresh.size() < std::min<size_t>(3'000, world_.options().files / 4)) {
      const uint32_t title = static_cast<uint32_t>(random.Below(world_.titles()));
      for (uint32_t i = 0; i < world_.options().files_a_title; ++i) {
        const uint32_t file = title * static_cast<uint32_t>(world_.options().files_a_title) + i;
        if (file < world_.options().files && !std::binary_search(held.begin(), held.end(), file)) fresh.push_back(file);
      }
    }
    std::sort(fresh.begin(), fresh.end());
    fresh.erase(std::unique(fresh.begin(), fresh.end()), fresh.end());
    bool add = true;
    std::shared_ptr<const Holdings> now;
    const double delta = MedianCpu(kTimes, [&] {
      const HoldingsBook::Change more = {.slot = slot, .added = fresh};
      const HoldingsBook::Change less = {.slot = slot, .added = {}, .removed = fresh};
      holdings_->Apply({add ? &more : &less, 1});
      add = !add;
      now = holdings_->Publish(*parts_.fleet);
    });
    rows_.Add({absl::StrCat("change: ", fresh.size(), " files of one box, published"), 1e3 * delta, "ms"});
    bool gone = false;
    const double whole = MedianCpu(3, [&] {
      const HoldingsBook::Change change =
          gone ? HoldingsBook::Change{.slot = slot, .added = held} : HoldingsBook::Change{.slot = slot, .added = {}, .removed = held};
      holdings_->Apply({&change, 1});
      gone = !gone;
      now = holdings_->Publish(*parts_.fleet);
    });
    rows_.Add({absl::StrCat("change: all ", held.size(), " files of one box, published"), 1e3 * whole, "ms"});
  }

  void ChangeHealth() {
    std::vector<ApplianceView> boxes = world_.appliances();
    const double cost = MedianCpu(kTimes, [&] {
      boxes[7].health = boxes[7].health == HealthState::kOk ? HealthState::kSick : HealthState::kOk;
      SteeringTable parts = *table_;
      parts.fleet = Fleet::Build(world_.sites(), boxes, world_.links(), parts_.fleet.get());
      benchmark::DoNotOptimize(AssembleSteeringTable(std::move(parts)));
    });
    rows_.Add({"change: health of any number of boxes, published", 1e3 * cost, "ms"});
  }

  void ChangeRoutes() {
    SeededRandom random(5);
    std::shared_ptr<const LadderTable> now = parts_.ladders;
    size_t visited = 0;
    const auto change = [&](size_t count) {
      for (size_t i = 0; i < count; ++i) {
        const size_t at = random.Below(world_.prefixes().size());
        book_->Set(world_.prefixes()[at], RoutesOf(world_.VariantOf(world_.route_sets()[world_.set_of_prefix()[at]], random)));
      }
      now = book_->Publish();
      visited = book_->leaves_visited();
    };
    rows_.Add({"change: routes of 1 prefix, published", 1e6 * MedianCpu(25, [&] { change(1); }), "us"});
    const double many = MedianCpu(kTimes, [&] { change(500); });
    rows_.Add({"change: routes of 500 prefixes, published", 1e3 * many, "ms"});
    rows_.Add({"  ladders looked at", static_cast<double>(visited), ""});
    rows_.Add({"  changes a second", 500 / many, "1/s", kNothing, Goal::kValueAtLeast, 5'000});
    const auto come = [&] {
      const Prefix fresh = Prefix::Of(IpAddress::V4(0x01020000 + static_cast<uint32_t>(random.Below(1 << 16))), 32);
      book_->Set(fresh, RoutesOf(world_.route_sets()[0]));
      now = book_->Publish();
    };
    rows_.Add({"change: a prefix comes while an old table is read, published", 1e3 * MedianCpu(3, come), "ms", kNothing, Goal::kValueAtMost,
               250});
    table_.reset();
    parts_.ladders.reset();
    come();
    rows_.Add({"change: a prefix comes, published", 1e3 * MedianCpu(7, come), "ms", kNothing, Goal::kValueAtMost, 250});
  }

  const double scale_;
  Rows& rows_;
  const World world_;
  std::unique_ptr<LadderBook> book_;
  std::unique_ptr<HoldingsBook> holdings_;
  SteeringTable parts_;
  std::shared_ptr<const SteeringTable> table_;
  double line_ns_ = 0;
  struct Bulk {
    double whole = 0;
    double without_match = 0;
  };
  std::array<std::array<Bulk, 2>, 2> bulk_ = {};  // In-prefix and Zipf, of v4 and v6.
};

int Run(int argc, char** argv) {
  Rows rows;
  Bench bench(ScaleOf(argc, argv), rows);
  bench.Build();
  bench.MeasureLine();
  for (const bool zipf : {false, true}) {
    bench.Decide(AddressFamily::kIpv4, zipf);
    bench.Decide(AddressFamily::kIpv6, zipf);
  }
  bench.CompareFamilies();
  bench.Spread();
  bench.InWords();
  bench.Updates();
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Run(argc, argv);
}
