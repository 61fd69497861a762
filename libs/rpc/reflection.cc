#include "libs/rpc/reflection.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpcpp/support/status.h"

namespace fairlead {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

void Refuse(grpc::StatusCode code, const std::string& message, ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(code);
  response.mutable_error_response()->set_error_message(message);
}

// The file and all that it imports, each once.
void AddFiles(const FileDescriptor& file, std::set<std::string>& told, ServerReflectionResponse& response) {
  if (!told.insert(file.name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  response.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AddFiles(*file.dependency(i), told, response);
}

void TellFile(const FileDescriptor* file, const std::string& asked, ServerReflectionResponse& response) {
  if (file == nullptr) return Refuse(grpc::StatusCode::NOT_FOUND, absl::StrCat("'", asked, "' isn't known here"), response);
  std::set<std::string> told;
  AddFiles(*file, told, response);
}

void TellExtensions(const google::protobuf::DescriptorPool& pool, const std::string& type, ServerReflectionResponse& response) {
  const Descriptor* const descriptor = pool.FindMessageTypeByName(type);
  if (descriptor == nullptr) return Refuse(grpc::StatusCode::NOT_FOUND, absl::StrCat("'", type, "' is no message known here"), response);
  std::vector<const FieldDescriptor*> extensions;
  pool.FindAllExtensions(descriptor, &extensions);
  response.mutable_all_extension_numbers_response()->set_base_type_name(type);
  for (const FieldDescriptor* extension : extensions) {
    response.mutable_all_extension_numbers_response()->add_extension_number(extension->number());
  }
}

const FileDescriptor* FileOfExtension(const google::protobuf::DescriptorPool& pool,
                                      const grpc::reflection::v1alpha::ExtensionRequest& request) {
  const Descriptor* const type = pool.FindMessageTypeByName(request.containing_type());
  const FieldDescriptor* const field = type == nullptr ? nullptr : pool.FindExtensionByNumber(type, request.extension_number());
  return field == nullptr ? nullptr : field->file();
}

}  // namespace

ServerReflectionResponse Reflect(const google::protobuf::DescriptorPool& pool, const std::vector<std::string>& services,
                                 const ServerReflectionRequest& request) {
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      TellFile(pool.FindFileByName(request.file_by_filename()), request.file_by_filename(), response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      TellFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), request.file_containing_symbol(), response);
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      TellFile(FileOfExtension(pool, request.file_containing_extension()),
               absl::StrCat("extension ", request.file_containing_extension().extension_number(), " of ",
                            request.file_containing_extension().containing_type()),
               response);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      TellExtensions(pool, request.all_extension_numbers_of_type(), response);
      break;
    case ServerReflectionRequest::kListServices:
      for (const std::string& service : services) response.mutable_list_services_response()->add_service()->set_name(service);
      break;
    default:
      Refuse(grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing known", response);
  }
  return response;
}

}  // namespace fairlead
