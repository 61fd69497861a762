"""The rules of the tree as tables: what each room may include, and what no file may hold. tree_lint.py applies them.

A pattern for an include is matched against what stands between the quotes or angle brackets. A pattern ending in "/" means everything below.
"""

# Values in, decision out. Lowest first: `base` may use nothing of ours, `net` only `base`, the others any pure room.
PURE_ROOMS = ("base", "net", "routing", "health", "steering", "placement", "fill", "content", "contentsteering", "registry",
              "overload")

# What a pure room never includes, by what it would let in.
PURE_FORBIDDEN = {
    "randomness": ("random", "absl/random/"),
    "threads": ("thread", "pthread.h", "future", "absl/synchronization/"),
    "locks": ("mutex", "shared_mutex", "condition_variable", "semaphore", "latch", "barrier"),
    "a clock": ("chrono", "ctime", "time.h", "sys/time.h", "absl/time/clock.h"),
    "files": ("fstream", "filesystem", "cstdio", "stdio.h", "fcntl.h", "sys/stat.h", "sys/mman.h", "dirent.h"),
    "the console": ("iostream",),
    "the system": ("unistd.h", "sys/types.h", "sys/wait.h", "signal.h", "csignal", "poll.h", "sys/epoll.h"),
    "sockets": ("sys/socket.h", "sys/un.h", "netinet/", "arpa/inet.h", "netdb.h", "net/if.h"),
    "Boost": ("boost/",),
}

# One outside thing each: the folders, or patterns of files, whose code may include it. Tests may include anything.
OWNERS = {
    "PostgreSQL": (("pqxx/", "libpq-fe.h"), ("libs/pg", "services/*/pg_*")),
    "YAML": (("yaml-cpp/",), ("libs/config", "libs/importdir")),
    "Prometheus": (("prometheus/",), ("libs/metrics",)),
    "logging": (("spdlog/", "fmt/"), ("libs/log",)),
    "cryptography": (("openssl/",), ("libs/signing",)),
    "downloads": (("curl/",), ("libs/http", "services/agent")),
    "command line": (("CLI/",), ("services/cli",)),
    "GoogleTest": (("gtest/", "gmock/"), ("libs/testing",)),
    "Boost": (("boost/",), ("libs/http",)),
    "gRPC": (("grpcpp/", "grpc/", "grpc++/"), ("libs/rpc", "libs/feed", "services")),
    "protobuf": (("google/protobuf/",), ("libs/rpc", "libs/feed", "libs/config", "libs/codec", "services")),
    "generated protos": (("fairlead/", "*.pb.h"), ("libs/rpc", "libs/feed", "libs/config", "libs/codec", "libs/importdir", "services")),
    "JSON": (("nlohmann/",), ("libs/http", "libs/config", "libs/log", "libs/importdir", "libs/signing", "services")),
}

# (file, rule, what) → why it may. An entry that no file needs any more is itself a finding.
EXCEPTIONS = {
    ("libs/base/published.h", "pure", "absl/synchronization/mutex.h"):
        "the one lock below the line: readers copy a pointer to an immutable snapshot (std::atomic<shared_ptr> locks as well)",
    ("libs/net/lpm_memory.cc", "pure", "sys/mman.h"):
        "mmap and madvise give memory, no file: a region that never moves, in huge pages",
    ("libs/base/huge_memory.cc", "pure", "sys/mman.h"):
        "madvise only says how memory of our own is laid out: no file, no answer",
    ("libs/net/ip_address.cc", "pure", "arpa/inet.h"):
        "inet_pton and inet_ntop only compute: text to bytes and back",
}

# Calls that reach the clock, chance, the environment or the console without a telling include.
PURE_FORBIDDEN_CALLS = {
    r"\babsl::Now\(": "now is an argument",
    r"\babsl::(GetCurrentTimeNanos|SleepFor)\(": "now is an argument",
    r"\bstd::this_thread\b": "no threads",
    r"\b(std::)?(rand|srand|random|drand48)\(\s*\)": "seeds are arguments",
    r"\b(std::)?time\((nullptr|NULL|0)\)": "now is an argument",
    r"\b(std::)?getenv\(": "settings are arguments",
    r"\bstd::(cout|cerr|clog)\b": "a pure room doesn't print",
    r"\b(std::)?(printf|fprintf|puts)\(": "a pure room doesn't print",
}

# A test that waits a fixed time is slow on a good day and wrong on a bad one: poll with a deadline. The pause between two polls is the only
# sleep that is right: inside a loop (on its line or in the lines right above), of at most so many milliseconds.
SLEEP_CALLS = r"\b(sleep_for|sleep_until|SleepFor|usleep|nanosleep)\s*\(|(?<![\w.:])sleep\(\s*\d"
POLL_PAUSE = r"\b(?:SleepFor|sleep_for)\s*\(\s*(?:absl::Milliseconds|std::chrono::milliseconds)\(\s*(\d+)\s*\)"
MAX_POLL_PAUSE_MS = 100
LOOP_LINES = 3

# Of a function that only prefetches g++ 12 finds that it has no effect, and leaves out its calls where it sees the function: it must be
# inlined by force, or be another file's member (its definition is then named "Class::").
ONLY_PREFETCHES = r"^(?!\s*(?:\}\s*else\s+)?(?:if|for|while|switch)\b)([^\n{};]*\([^\n{};]*\)[^\n{};]*)\{\s*(?:__builtin_prefetch\([^;{}]*\);\s*)+\}"
KEPT_PREFETCHES = r"always_inline|FAIRLEAD_INLINE|\w::\w+\("

# What throws past a program's checks where the system fails in mid-reading: a process that ends takes its /proc files with it, a folder may
# stand where a file should.
THROWING_READS = {
    r"\bistreambuf_iterator\b": "read(2) by a reader that returns an error (libs/checkpoint/file.h, tests/lab/text_file.h)",
    r"\bfor \([^;]*[^:]: [^;]*\bdirectory_iterator\(": "step by increment(error): ++ throws, whatever the constructor was given",
    r"\bfor \([^;]*[^:]: [^;]*\brecursive_directory_iterator\(": "step by increment(error): ++ throws, whatever the constructor was given",
}

# Test → why it may sleep otherwise.
MAY_SLEEP = {}

# Nothing that a reader elsewhere can't use or shouldn't find. Matched in every text file.
FORBIDDEN_TEXT = {
    r"(?i)\b(white|black)list": "say allow-list or deny-list",
    r"(?i)\bslave\b": "say replica or follower",
    r"(?<![\w.$}/])/(?:home|Users|work)/[\w.-]+": "a path of one machine",
    r"\bTO" + r"DO(?!\([\w@.-]+\): \S)": "a TO" + "DO carries an owner and a condition: TO" + "DO(name): do X when Y",
    r"\b(FIX" + r"ME|XX" + r"X)\b": "say it as a TO" + "DO with an owner and a condition",
    r"-----BEGIN (EC |RSA |ENCRYPTED )?PRIVATE KEY-----\s*[A-Za-z0-9+/=]{16}": "a private key",
    r"\b(ghp|github_pat|glpat|npm)_[A-Za-z0-9]{20,}": "a credential",
    r"^(<{7} |={7}$|>{7} )": "a merge conflict",
}

MAX_LINES = 600  # Of a C++ or Python file; about 500 is the aim.
