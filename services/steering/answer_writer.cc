#include "services/steering/answer_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/base/status_macros.h"
#include "services/steering/answer_texts.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

// Field numbers of RankedUrl, FileAnswer, SteerResponse and SourceAge.
using UrlField = sv1::RankedUrl;
using FileField = sv1::FileAnswer;
using ResponseField = sv1::SteerResponse;
using SourceField = sv1::SourceAge;

// A choice has at most so many URLs, of files without number: a token each at worst.
TokenLabel LabelOf(const FileChoice& choice, uint32_t position) {
  const UrlChoice& url = choice.urls[position];
  return {.rank = std::min<uint32_t>(url.rank, TokenClaims::kMaxRank), .position = position, .cause = choice.CauseOf(url)};
}

// What a file's URLs have in common is put together once, and copied from there.
absl::string_view WriteParts(const PathParts& path, WireWriter& out) {
  const char* const begin = out.at();
  out.Bytes(path.folder);
  out.Bytes(path.rest);
  out.Bytes(path.name);
  return {begin, path.size()};
}

}  // namespace

// Files that follow each other are mostly of one title.
void AnswerWriter::OpenTitle(const ChosenFile& chosen, const RenderContext& context) {
  if (!titles_.empty() && titles_.back().version == chosen.ref.version) return;
  titles_.push_back({.version = chosen.ref.version,
                     .book = context.tokens.Open({.title = chosen.ref.title->id(),
                                                  .version = chosen.ref.version->version(),
                                                  .session = context.session,
                                                  .lifetime = context.state.settings.token_lifetime},
                                                 context.state.key_id, context.now),
                     .first = labels_.size()});
  expires_ = static_cast<uint64_t>(absl::ToUnixSeconds(titles_.back().book.expires()));
}

size_t AnswerWriter::TokenOf(const TokenLabel& label) {
  const auto of_title = labels_.begin() + static_cast<ptrdiff_t>(titles_.back().first);
  const auto at = std::find(of_title, labels_.end(), label);
  const auto index = static_cast<size_t>(at - labels_.begin());
  if (at == labels_.end()) labels_.push_back(label);
  return index;
}

void AnswerWriter::ListFile(const ChosenFile& chosen, const RenderContext& context) {
  OpenTitle(chosen, context);
  File& file =
      files_.emplace_back(File{.chosen = &chosen, .path = chosen.ref.path(), .first_url = urls_.size(), .urls = chosen.choice.count});
  if (context.playlists) file.playlist = chosen.ref.playlist();
  for (uint32_t position = 0; position < chosen.choice.count; ++position) {
    const UrlChoice& url = chosen.choice.urls[position];
    urls_.push_back({.choice = &url,
                     .token = TokenOf(LabelOf(chosen.choice, position)),
                     .lead = context.state.texts->UrlLead(url.box, url.family),
                     .names = context.state.texts->Names(url.box),
                     .cause = chosen.choice.CauseOf(url)});
  }
}

absl::Status AnswerWriter::List(const RequestChoice& choice, const RenderContext& context) {
  files_.clear();
  urls_.clear();
  titles_.clear();
  labels_.clear();
  for (const ChosenFile& file : choice.files) {
    if (file.ref.file == nullptr) return absl::InternalError("a file was decided on that isn't in the catalogue");
    ListFile(file, context);
  }
  for (size_t title = 0; title < titles_.size(); ++title) context.tokens.FetchTags(titles_[title].book, LabelsOf(title));
  return absl::OkStatus();
}

absl::Span<const TokenLabel> AnswerWriter::LabelsOf(size_t title) const {
  const size_t first = titles_[title].first;
  const size_t end = title + 1 < titles_.size() ? titles_[title + 1].first : labels_.size();
  return absl::MakeConstSpan(labels_).subspan(first, end - first);
}

void AnswerWriter::FetchTokens(const RenderContext& context) const {
  for (size_t title = 0; title < titles_.size(); ++title) context.tokens.FetchTexts(titles_[title].book, LabelsOf(title));
}

absl::Status AnswerWriter::ReadTokens(const RenderContext& context) {
  token_text_.clear();
  ends_.resize(labels_.size());
  for (size_t title = 0; title < titles_.size(); ++title) {
    RETURN_IF_ERROR(context.tokens.AppendAll(titles_[title].book, LabelsOf(title), token_text_, ends_.data() + titles_[title].first));
  }
  return absl::OkStatus();
}

void AnswerWriter::MeasureFile(File& file) {
  const CatalogueFile& of = *file.chosen->ref.file;
  const size_t path = file.path.size();
  const size_t playlist_path = file.playlist.size();
  file.size =
      NumberSize(of.number()) + BlockSize(path) + StringSize(of.rendition()) + NumberSize(of.size_bytes()) + NumberSize(of.bitrate_bps());
  for (uint32_t position = 0; position < file.urls; ++position) {
    Url& url = urls_[file.first_url + position];
    const size_t lead = url.lead.size() + TokenText(url).size() + 1;
    url.url_size = lead + path;
    url.playlist_size = playlist_path == 0 ? 0 : lead + playlist_path;
    url.size = BlockSize(url.url_size) + (url.playlist_size == 0 ? 0 : BlockSize(url.playlist_size)) + url.names.size() +
               NumberSize(static_cast<uint64_t>(url.choice->family)) + NumberSize(url.choice->rank) + NumberSize(position) +
               NumberSize(static_cast<uint64_t>(url.cause)) + BlockSize(NumberSize(expires_));
    file.size += BlockSize(url.size);
  }
}

// The first file that nobody can serve speaks for the answer; the others keep their URLs.
void AnswerWriter::LookUpVerdict(const SteeringRequest& request, const RequestChoice& choice, const SteeringTable& table) {
  const auto failed = std::find_if(choice.files.begin(), choice.files.end(),
                                   [](const ChosenFile& file) { return file.choice.not_servable != NotServable::kServable; });
  ok_ = failed == choice.files.end();
  reason_ = ok_ ? absl::string_view() : ToString(failed->choice.not_servable);
  detail_.clear();
  if (!ok_) detail_ = WhyNotServable(table, request, choice, static_cast<size_t>(failed - choice.files.begin()));
  const std::optional<Prefix> matched = table.ladders->RoutedPrefixOf(choice.leaf);
  prefix_.clear();
  if (matched.has_value()) matched->AppendTo(prefix_);
  const std::optional<CapChoice> cap = ChooseQualityCap(table, request, choice);
  cap_ = cap.has_value() ? cap->bps : 0;
  ttl_ = static_cast<uint64_t>(absl::ToInt64Seconds(ok_ ? kAnswerTtl : kNotServableTtl));
}

absl::StatusOr<size_t> AnswerWriter::Measure(const SteeringRequest& request, const RequestChoice& choice, const RenderContext& context) {
  RETURN_IF_ERROR(ReadTokens(context));
  LookUpVerdict(request, choice, *context.state.table);
  LookUpSources(context);
  size_t size = NumberSize(sv1::SteerResponse::VERDICT_NOT_SERVABLE) + StringSize(reason_) + StringSize(detail_) + StringSize(prefix_) +
                NumberSize(cap_) + BlockSize(NumberSize(ttl_)) + sources_.size();
  for (File& file : files_) {
    MeasureFile(file);
    size += BlockSize(file.size);
  }
  return size;
}

void AnswerWriter::WriteUrl(const File& file, const Url& url, uint32_t position, absl::string_view path, absl::string_view& playlist,
                            WireWriter& out) const {
  out.Block(FileField::kUrlsFieldNumber, url.size);
  out.Block(UrlField::kUrlFieldNumber, url.url_size);
  const char* const begin = out.at();
  out.Bytes(url.lead);
  out.Bytes(TokenText(url));
  out.Bytes("/");
  const absl::string_view front(begin, static_cast<size_t>(out.at() - begin));
  out.Bytes(path);
  if (url.playlist_size > 0) {
    out.Block(UrlField::kPlaylistUrlFieldNumber, url.playlist_size);
    out.Bytes(front);
    if (playlist.empty()) {
      playlist = WriteParts(file.playlist, out);
    } else {
      out.Bytes(playlist);
    }
  }
  out.Bytes(url.names);
  out.Number(UrlField::kFamilyFieldNumber, static_cast<uint64_t>(url.choice->family));
  out.Number(UrlField::kRankFieldNumber, url.choice->rank);
  out.Number(UrlField::kPositionFieldNumber, position);
  out.Number(UrlField::kCauseFieldNumber, static_cast<uint64_t>(url.cause));
  out.Block(UrlField::kExpireTimeFieldNumber, NumberSize(expires_));
  out.Number(google::protobuf::Timestamp::kSecondsFieldNumber, expires_);
}

void AnswerWriter::WriteFile(const File& file, WireWriter& out) const {
  const CatalogueFile& of = *file.chosen->ref.file;
  out.Block(ResponseField::kFilesFieldNumber, file.size);
  out.Number(FileField::kFileNumberFieldNumber, of.number());
  out.Block(FileField::kPathFieldNumber, file.path.size());
  const absl::string_view path = WriteParts(file.path, out);
  out.String(FileField::kRenditionFieldNumber, of.rendition());
  out.Number(FileField::kSizeBytesFieldNumber, of.size_bytes());
  out.Number(FileField::kBandwidthBpsFieldNumber, of.bitrate_bps());
  absl::string_view playlist;
  for (uint32_t position = 0; position < file.urls; ++position) {
    WriteUrl(file, urls_[file.first_url + position], position, path, playlist, out);
  }
}

void AnswerWriter::Write(char* to) const {
  WireWriter out(to);
  out.Number(ResponseField::kVerdictFieldNumber, ok_ ? sv1::SteerResponse::VERDICT_OK : sv1::SteerResponse::VERDICT_NOT_SERVABLE);
  out.String(ResponseField::kReasonFieldNumber, reason_);
  out.String(ResponseField::kReasonDetailFieldNumber, detail_);
  out.String(ResponseField::kMatchedPrefixFieldNumber, prefix_);
  for (const File& file : files_) WriteFile(file, out);
  out.Number(ResponseField::kQualityCapBpsFieldNumber, cap_);
  out.Block(ResponseField::kTtlFieldNumber, NumberSize(ttl_));
  out.Number(google::protobuf::Duration::kSecondsFieldNumber, ttl_);
  out.Bytes(sources_);
}

void AnswerWriter::LookUpSources(const RenderContext& context) {
  const std::vector<SourceStatus>& sources = context.state.sources;
  const int64_t at = absl::ToInt64Milliseconds(context.monotonic);
  const auto of = [](const SourceStatus& status) {
    return AgesOf{status.position.epoch, status.position.version, status.heard_at, status.from_disk};
  };
  const bool same = at == sources_at_ && std::equal(sources.begin(), sources.end(), sources_of_.begin(), sources_of_.end(),
                                                    [&](const SourceStatus& status, const AgesOf& ages) { return of(status) == ages; });
  if (same) return;
  sources_at_ = at;
  sources_of_.clear();
  sources_.clear();
  for (const SourceStatus& status : sources) {
    AppendSource(status, context.monotonic);
    sources_of_.push_back(of(status));
  }
}

// As RenderSources, but without messages: each would be made and thrown away once a millisecond.
void AnswerWriter::AppendSource(const SourceStatus& status, absl::Duration now) {
  const FeedPosition& at = status.position;
  const auto age = static_cast<uint64_t>(absl::ToInt64Nanoseconds(std::max(absl::ZeroDuration(), now - status.heard_at)));
  const uint64_t seconds = age / 1'000'000'000;
  const uint64_t nanos = age % 1'000'000'000;
  const size_t position_size = NumberSize(at.epoch) + NumberSize(at.version);
  const size_t age_size = NumberSize(seconds) + NumberSize(nanos);
  const size_t heard_size = at.nothing() ? 0 : BlockSize(position_size) + BlockSize(age_size);
  const size_t size = StringSize(status.source) + heard_size + NumberSize(status.from_disk ? 1 : 0);
  const size_t before = sources_.size();
  sources_.resize(before + BlockSize(size));
  WireWriter out(sources_.data() + before);
  out.Block(ResponseField::kSourcesFieldNumber, size);
  out.String(SourceField::kSourceFieldNumber, status.source);
  if (!at.nothing()) {
    out.Block(SourceField::kPositionFieldNumber, position_size);
    out.Number(common::v1::FeedPosition::kEpochFieldNumber, at.epoch);
    out.Number(common::v1::FeedPosition::kVersionFieldNumber, at.version);
    out.Block(SourceField::kAgeFieldNumber, age_size);
    out.Number(google::protobuf::Duration::kSecondsFieldNumber, seconds);
    out.Number(google::protobuf::Duration::kNanosFieldNumber, nanos);
  }
  out.Number(SourceField::kFromDiskFieldNumber, status.from_disk ? 1 : 0);
}

}  // namespace fairlead
