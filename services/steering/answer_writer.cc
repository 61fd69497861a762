#include "services/steering/answer_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

// The parts of "https://[2001:db8::1]:8443": brackets around an IPv6 literal, no port where it is the scheme's own.
struct Origin {
  explicit Origin(const Endpoint& endpoint)
      : scheme(endpoint.scheme),
        host(endpoint.host),
        port(endpoint.port),
        literal(absl::StrContains(endpoint.host, ':')),
        own_port((endpoint.port == 80 && endpoint.scheme == "http") || (endpoint.port == 443 && endpoint.scheme == "https")) {}
  absl::string_view scheme;
  absl::string_view host;
  uint16_t port;
  bool literal;
  bool own_port;
};

size_t DecimalSize(uint32_t number) {
  size_t size = 1;
  for (; number >= 10; number /= 10) ++size;
  return size;
}

size_t SizeOf(const Origin& origin) {
  return origin.scheme.size() + 3 + origin.host.size() + (origin.literal ? 2 : 0) + (origin.own_port ? 0 : 1 + DecimalSize(origin.port));
}

void WriteOrigin(const Origin& origin, WireBuffer& out) {
  out.Bytes(origin.scheme);
  out.Bytes("://");
  if (origin.literal) out.Bytes("[");
  out.Bytes(origin.host);
  if (origin.literal) out.Bytes("]");
  if (origin.own_port) return;
  out.Bytes(":");
  char digits[5];
  size_t at = sizeof(digits);
  uint32_t port = origin.port;
  do digits[--at] = static_cast<char>('0' + port % 10);
  while ((port /= 10) > 0);
  out.Bytes({digits + at, sizeof(digits) - at});
}

// "appliances/x" without making it.
template <typename Id>
size_t NameSize(absl::string_view collection, const Id& id) {
  return collection.size() + 1 + id.value().size();
}

template <typename Id>
void WriteName(uint32_t field, absl::string_view collection, const Id& id, WireBuffer& out) {
  out.Block(field, NameSize(collection, id));
  out.Bytes(collection);
  out.Bytes("/");
  out.Bytes(id.value());
}

// Field numbers of RankedUrl, FileAnswer and SteerResponse.
using UrlField = sv1::RankedUrl;
using FileField = sv1::FileAnswer;
using ResponseField = sv1::SteerResponse;

}  // namespace

absl::StatusOr<size_t> AnswerWriter::TokenFor(const File& file, const Candidate& candidate, const RenderContext& context) {
  const TokenLabel label = {
      .rank = std::min(candidate.rank, TokenClaims::kMaxRank), .position = candidate.position, .cause = candidate.cause};
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].label == label && tokens_[i].title == file.ref.title && tokens_[i].version == file.ref.version) return i;
  }
  const TokenCache::Book book = context.tokens.Open({.title = file.ref.title->id.value(),
                                                     .version = file.ref.version->version,
                                                     .session = context.session,
                                                     .lifetime = context.state.settings.token_lifetime},
                                                    context.state.key_id, context.now);
  expires_ = static_cast<uint64_t>(absl::ToUnixSeconds(book.expires()));
  const size_t begin = token_text_.size();
  RETURN_IF_ERROR(context.tokens.Append(book, label, token_text_));
  tokens_.push_back({file.ref.title, file.ref.version, label, begin, token_text_.size() - begin});
  return tokens_.size() - 1;
}

absl::Status AnswerWriter::LookAtFile(const FileAnswer& answer, const RenderContext& context) {
  File& file = files_.emplace_back(File{.answer = &answer, .ref = context.state.table->catalogue->FindFile(answer.file)});
  if (file.ref.file == nullptr)
    return absl::InternalError(absl::StrCat("file ", answer.file, " was decided on but isn't in the catalogue"));
  const absl::string_view path = file.ref.file->path;
  const auto unusual = context.state.unusual_playlists->find(answer.file);
  if (unusual != context.state.unusual_playlists->end()) {
    file.playlist_folder = unusual->second;
  } else {
    file.playlist_folder = path.substr(0, path.rfind('/') + 1);  // All of them, from npos + 1 = 0, if there is none.
    file.playlist_name = kPlaylistFileName;
  }
  const size_t playlist_path = file.playlist_folder.size() + file.playlist_name.size();
  file.first_url = urls_.size();
  file.urls = answer.candidates.size();
  file.size = NumberSize(answer.file) + StringSize(answer.path) + StringSize(file.ref.file->rendition) +
              NumberSize(file.ref.file->size_bytes) + NumberSize(file.ref.file->bitrate_bps);
  for (const Candidate& candidate : answer.candidates) {
    Url url = {.candidate = &candidate};
    ASSIGN_OR_RETURN(url.token, TokenFor(file, candidate, context));
    url.origin_size = SizeOf(Origin(candidate.endpoint));
    const size_t lead = url.origin_size + kSignedPathLead.size() + tokens_[url.token].size + 1;
    url.url_size = lead + path.size();
    url.playlist_size = playlist_path == 0 ? 0 : lead + playlist_path;
    url.size = BlockSize(url.url_size) + (url.playlist_size == 0 ? 0 : BlockSize(url.playlist_size)) +
               BlockSize(NameSize(ApplianceTag::kCollection, candidate.appliance)) +
               BlockSize(NameSize(SiteTag::kCollection, candidate.site)) + NumberSize(static_cast<uint64_t>(candidate.endpoint.family)) +
               NumberSize(candidate.rank) + NumberSize(candidate.position) + NumberSize(static_cast<uint64_t>(candidate.cause)) +
               BlockSize(NumberSize(expires_));
    file.size += BlockSize(url.size);
    urls_.push_back(url);
  }
  return absl::OkStatus();
}

void AnswerWriter::WriteUrl(const File& file, const Url& url, WireBuffer& out) const {
  const Candidate& candidate = *url.candidate;
  const Origin origin(candidate.endpoint);
  const absl::string_view token = TokenText(url);
  out.Block(FileField::kUrlsFieldNumber, url.size);
  out.Block(UrlField::kUrlFieldNumber, url.url_size);
  const auto lead = [&] {
    WriteOrigin(origin, out);
    out.Bytes(kSignedPathLead);
    out.Bytes(token);
    out.Bytes("/");
  };
  lead();
  out.Bytes(file.ref.file->path);
  if (url.playlist_size > 0) {
    out.Block(UrlField::kPlaylistUrlFieldNumber, url.playlist_size);
    lead();
    out.Bytes(file.playlist_folder);
    out.Bytes(file.playlist_name);
  }
  WriteName(UrlField::kApplianceFieldNumber, ApplianceTag::kCollection, candidate.appliance, out);
  WriteName(UrlField::kSiteFieldNumber, SiteTag::kCollection, candidate.site, out);
  out.Number(UrlField::kFamilyFieldNumber, static_cast<uint64_t>(candidate.endpoint.family));
  out.Number(UrlField::kRankFieldNumber, candidate.rank);
  out.Number(UrlField::kPositionFieldNumber, candidate.position);
  out.Number(UrlField::kCauseFieldNumber, static_cast<uint64_t>(candidate.cause));
  out.Block(UrlField::kExpireTimeFieldNumber, NumberSize(expires_));
  out.Number(google::protobuf::Timestamp::kSecondsFieldNumber, expires_);
}

void AnswerWriter::WriteFile(const File& file, WireBuffer& out) const {
  out.Block(ResponseField::kFilesFieldNumber, file.size);
  out.Number(FileField::kFileNumberFieldNumber, file.answer->file);
  out.String(FileField::kPathFieldNumber, file.answer->path);
  out.String(FileField::kRenditionFieldNumber, file.ref.file->rendition);
  out.Number(FileField::kSizeBytesFieldNumber, file.ref.file->size_bytes);
  out.Number(FileField::kBandwidthBpsFieldNumber, file.ref.file->bitrate_bps);
  for (size_t i = 0; i < file.urls; ++i) WriteUrl(file, urls_[file.first_url + i], out);
}

absl::Status AnswerWriter::Look(const SteeringAnswer& answer, const RenderContext& context) {
  files_.clear();
  urls_.clear();
  tokens_.clear();
  token_text_.clear();
  for (const FileAnswer& file : answer.files) RETURN_IF_ERROR(LookAtFile(file, context));
  return absl::OkStatus();
}

absl::Status AnswerWriter::Write(const SteeringAnswer& answer, const RenderContext& context, WireBuffer& out) {
  RETURN_IF_ERROR(Look(answer, context));
  // The first file that nobody can serve speaks for the answer; the others keep their URLs.
  const auto failed = std::find_if(answer.files.begin(), answer.files.end(),
                                   [](const FileAnswer& file) { return file.not_servable != NotServable::kServable; });
  const bool ok = failed == answer.files.end();
  const absl::string_view reason = ok ? "" : ToString(failed->not_servable);
  const absl::string_view detail = ok ? "" : absl::string_view(failed->sentence);
  const std::string prefix = answer.matched_prefix.has_value() ? answer.matched_prefix->ToString() : std::string();
  const uint64_t cap = answer.quality_cap.has_value() ? answer.quality_cap->bps : 0;
  const auto ttl = static_cast<uint64_t>(absl::ToInt64Seconds(ok ? kAnswerTtl : kNotServableTtl));
  const absl::string_view sources = Sources(context);
  size_t size = NumberSize(sv1::SteerResponse::VERDICT_NOT_SERVABLE) + StringSize(reason) + StringSize(detail) + StringSize(prefix) +
                NumberSize(cap) + BlockSize(NumberSize(ttl)) + sources.size();
  for (const File& file : files_) size += BlockSize(file.size);
  out.Reserve(size);
  out.Number(ResponseField::kVerdictFieldNumber, ok ? sv1::SteerResponse::VERDICT_OK : sv1::SteerResponse::VERDICT_NOT_SERVABLE);
  out.String(ResponseField::kReasonFieldNumber, reason);
  out.String(ResponseField::kReasonDetailFieldNumber, detail);
  out.String(ResponseField::kMatchedPrefixFieldNumber, prefix);
  for (const File& file : files_) WriteFile(file, out);
  out.Number(ResponseField::kQualityCapBpsFieldNumber, cap);
  out.Block(ResponseField::kTtlFieldNumber, NumberSize(ttl));
  out.Number(google::protobuf::Duration::kSecondsFieldNumber, ttl);
  out.Bytes(sources);
  return absl::OkStatus();
}

absl::string_view AnswerWriter::Sources(const RenderContext& context) {
  const std::vector<SourceStatus>& sources = context.state.sources;
  const int64_t at = absl::ToInt64Milliseconds(context.monotonic);
  const auto of = [](const SourceStatus& status) {
    return AgesOf{status.position.epoch, status.position.version, status.heard_at, status.from_disk};
  };
  const bool same = at == sources_at_ && std::equal(sources.begin(), sources.end(), sources_of_.begin(), sources_of_.end(),
                                                    [&](const SourceStatus& status, const AgesOf& ages) { return of(status) == ages; });
  if (same) return sources_;
  sources_at_ = at;
  sources_of_.clear();
  sv1::SteerResponse response;
  RenderSources(context, *response.mutable_sources());
  for (const SourceStatus& status : sources) sources_of_.push_back(of(status));
  sources_ = response.SerializeAsString();
  return sources_;
}

std::string UrlOrigin(const Endpoint& endpoint) {
  const Origin origin(endpoint);
  WireBuffer out;
  out.Reserve(SizeOf(origin));
  WriteOrigin(origin, out);
  return std::string(out.view());
}

}  // namespace fairlead
