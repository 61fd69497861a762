"""The one place for compiler flags and for code generated from .proto files."""

# Warnings are errors in our own code. The two exceptions are g++ 12 false positives in inlined standard and Abseil headers.
FAIRLEAD_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wshadow",
    "-Wnon-virtual-dtor",
    "-Wno-maybe-uninitialized",
    "-Wno-restrict",
]

_GENERATED_COPTS = ["-w"]

def cc_library(name, copts = [], **kwargs):
    native.cc_library(name = name, copts = FAIRLEAD_COPTS + copts, **kwargs)

def cc_binary(name, copts = [], **kwargs):
    native.cc_binary(name = name, copts = FAIRLEAD_COPTS + copts, **kwargs)

def cc_test(name, copts = [], deps = [], **kwargs):
    """A GoogleTest; brings its own main()."""
    kwargs.setdefault("size", "small")
    native.cc_test(name = name, copts = FAIRLEAD_COPTS + copts, deps = deps + ["@debian//:gtest_main"], **kwargs)

def cc_fuzz_test(name, srcs, mutants, shards = 1, first_seed = 1, corpus = None, copts = [], deps = [], **kwargs):
    """A fuzz target (LLVMFuzzerTestOneInput) of //tests/fuzz with its seeds in corpus/<name>/.

    ./run test runs it with our own main (tests/fuzz/driver.cc) over its seeds and a fixed number of seeded mutants of them; ./run fuzz NAME
    with libFuzzer, under clang's sanitizers (--config=fuzz).

    Args:
      name: of the test and of the folder of its seeds.
      srcs: the target.
      mutants: how many under ./run test, of all shards together.
      shards: how many run them side by side, each from a seed of its own.
      first_seed: of the first shard; each next one counts up by one.
      corpus: the folder of its seeds, if it is another one's.
      copts: as usual.
      deps: as usual.
      **kwargs: as usual.
    """
    kwargs.setdefault("size", "small")
    seeds = "corpus/" + (corpus or name)
    if shards > 1:
        kwargs["shard_count"] = shards
    native.cc_test(
        name = name,
        srcs = srcs,
        copts = FAIRLEAD_COPTS + copts,
        args = ["--mutants=%d" % (mutants // shards), "--seed=%d" % first_seed, native.package_name() + "/" + seeds],
        data = native.glob([seeds + "/**"]),
        linkopts = select({
            "//tests/fuzz:libfuzzer": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = deps + select({
            "//tests/fuzz:libfuzzer": [],
            "//conditions:default": ["//tests/fuzz:driver"],
        }),
        **kwargs
    )

def cc_benchmark(name, copts = [], deps = [], **kwargs):
    """A google-benchmark binary, run by ./run bench NAME with -c opt."""
    native.cc_binary(name = name, testonly = True, copts = FAIRLEAD_COPTS + copts, deps = deps + ["@debian//:benchmark"], **kwargs)

def cc_proto(name, srcs, deps = [], grpc = False, visibility = None):
    """C++ messages (and, with grpc = True, service stubs) of one proto package.

    Args:
      name: the C++ library; `name + "_protos"` holds the .proto files for the packages that import them.
      srcs: .proto files of this Bazel package, imported by their path from //proto.
      deps: other cc_proto targets whose files are imported.
      grpc: whether to generate service stubs for every file.
      visibility: as usual.
    """
    native.filegroup(name = name + "_protos", srcs = srcs + [_protos_of(d) for d in deps], visibility = ["//visibility:public"])
    stems = [src[:-len(".proto")] for src in srcs]
    suffixes = [".pb.h", ".pb.cc"] + ([".grpc.pb.h", ".grpc.pb.cc"] if grpc else [])
    outs = [stem + suffix for stem in stems for suffix in suffixes]
    package = native.package_name()
    if not package.startswith("proto"):
        fail("cc_proto belongs under //proto, not in //" + package)
    command = ["protoc -Iproto --cpp_out=$(GENDIR)/proto"]
    if grpc:
        command.append("--grpc_out=$(GENDIR)/proto --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin")
    command.extend(["$(location %s)" % src for src in srcs])
    native.genrule(
        name = name + "_gen",
        srcs = srcs + [name + "_protos"],
        outs = outs,
        cmd = " ".join(command),
        message = "Generating C++ from",
    )
    native.cc_library(
        name = name,
        srcs = [out for out in outs if out.endswith(".cc")],
        hdrs = [out for out in outs if out.endswith(".h")],
        copts = _GENERATED_COPTS,
        strip_include_prefix = "/proto",
        visibility = visibility,
        deps = deps + (["@debian//:grpc"] if grpc else ["@debian//:protobuf"]),
    )

def _protos_of(label):
    return label + "_protos" if ":" in label else label + ":" + label.split("/")[-1] + "_protos"
