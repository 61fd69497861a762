#!/usr/bin/env python3
"""Feeds tree_lint.py what each rule forbids and sees it complain, and what is allowed and sees it stay quiet."""

import contextlib
import io
import os
import tempfile
import unittest

import rules
import tree_lint

BANNER = "// What this header is for, in a sentence or two.\n"


def header(path: str, body: str = "") -> str:
    guard = "FAIRLEAD_" + path[:-2].upper().replace("/", "_") + "_H_"
    return f"{BANNER}#ifndef {guard}\n#define {guard}\n{body}#endif  // {guard}\n"


def findings(files: dict[str, str], exceptions=None) -> list[tuple[str, str]]:
    sources = [tree_lint.Source(path, text) for path, text in files.items()]
    return [(f.path, f.rule) for f in tree_lint.lint(sources, exceptions or {}) if f.rule != "readme"]


class Pure(unittest.TestCase):

    def test_every_forbidden_include_is_found_in_every_pure_room(self):
        for room in rules.PURE_ROOMS:
            for patterns in rules.PURE_FORBIDDEN.values():
                for pattern in patterns:
                    include = pattern + "x.h" if pattern.endswith("/") else pattern
                    path = f"libs/{room}/a.cc"
                    self.assertIn((path, "pure"), findings({path: f"#include <{include}>\n"}), include)

    def test_edge_libraries_and_outside_things_are_kept_out_of_pure_rooms(self):
        for include in ("libs/rpc/status.h", "libs/pg/pool.h", "pqxx/pqxx", "grpcpp/grpcpp.h", "prometheus/counter.h", "spdlog/spdlog.h",
                        "yaml-cpp/yaml.h", "curl/curl.h", "openssl/sha.h", "boost/asio.hpp", "fairlead/common/v1/vocabulary.pb.h"):
            self.assertTrue(findings({"libs/steering/a.cc": f'#include "{include}"\n'}), include)

    def test_calls_to_the_clock_and_the_console_are_found_without_an_include(self):
        for call in ("absl::Now()", "std::this_thread::yield()", "rand()", "time(nullptr)", "std::getenv(name)", "std::cout << 1"):
            self.assertEqual(findings({"libs/net/a.cc": f"void F() {{ {call}; }}\n"}), [("libs/net/a.cc", "pure")], call)

    def test_prose_about_a_call_is_not_a_call(self):
        self.assertEqual(findings({"libs/net/a.cc": '// Unlike absl::Now() this is pure.\nauto s = "absl::Now()";\n'}), [])

    def test_what_a_pure_room_is_made_of_is_allowed(self):
        text = '#include <vector>\n#include "absl/time/time.h"\n#include "absl/strings/str_cat.h"\n#include "libs/net/prefix.h"\n'
        self.assertEqual(findings({"libs/routing/a.cc": text}), [])

    def test_tests_beside_pure_code_may_use_chance(self):
        self.assertEqual(findings({"libs/routing/a_test.cc": "#include <random>\n"}), [])

    def test_lower_rooms_do_not_include_higher_ones(self):
        self.assertEqual(findings({"libs/base/a.cc": '#include "libs/net/prefix.h"\n'}), [("libs/base/a.cc", "arrows")])
        self.assertEqual(findings({"libs/net/a.cc": '#include "libs/steering/place.h"\n'}), [("libs/net/a.cc", "arrows")])


class Exceptions(unittest.TestCase):
    LOCK = {("libs/base/a.cc", "pure", "absl/synchronization/mutex.h"): "because"}

    def test_an_exception_excuses_its_one_include_and_nothing_else(self):
        text = '#include "absl/synchronization/mutex.h"\n#include <thread>\n'
        self.assertEqual(findings({"libs/base/a.cc": text}, self.LOCK), [("libs/base/a.cc", "pure")])
        self.assertEqual(findings({"libs/base/a.cc": text.splitlines()[0]}, self.LOCK), [])

    def test_an_exception_that_nothing_needs_is_a_finding(self):
        self.assertEqual(findings({"libs/base/a.cc": ""}, self.LOCK), [("libs/base/a.cc", "exception")])

    def test_every_exception_gives_a_reason(self):
        for reason in list(rules.EXCEPTIONS.values()) + list(rules.MAY_SLEEP.values()):
            self.assertGreater(len(reason), 20)


class Arrows(unittest.TestCase):

    def test_libs_never_include_services(self):
        self.assertEqual(findings({"libs/rpc/a.cc": '#include "services/cli/table.h"\n'}), [("libs/rpc/a.cc", "arrows")])

    def test_services_never_include_each_other_not_even_in_tests(self):
        for path in ("services/fill/a.cc", "services/fill/a_test.cc"):
            self.assertEqual(findings({path: '#include "services/registry/store.h"\n'}), [(path, "arrows")])
        self.assertEqual(findings({"services/fill/a.cc": '#include "services/fill/store.h"\n'}), [])

    def test_nothing_outside_tests_includes_tests(self):
        for path in ("libs/feed/a.cc", "services/fill/a.cc"):
            self.assertEqual(findings({path: '#include "tests/oracle/table.h"\n'}), [(path, "arrows")])
            for helper in ("libs/feed/feed_fixture.h", "services/fill/test_values.h", "libs/testing/eventually.h"):
                self.assertIn((path, "arrows"), findings({path: f'#include "{helper}"\n'}), helper)
        self.assertEqual(findings({"services/fill/fill_fixture.h": header("services/fill/fill_fixture.h", '#include "gtest/gtest.h"\n')}), [])
        self.assertEqual(findings({"tests/lab/a.cc": '#include "services/fill/server.h"\n#include "services/cli/app.h"\n'}), [])

    def test_relative_includes_are_found(self):
        self.assertEqual(findings({"libs/rpc/a.cc": '#include "../pg/pool.h"\n'}), [("libs/rpc/a.cc", "arrows")])


class Owners(unittest.TestCase):

    def test_each_outside_thing_is_refused_outside_its_owner_and_allowed_in_it(self):
        for what, (patterns, owners) in rules.OWNERS.items():
            include = patterns[0] + "x.h" if patterns[0].endswith("/") else patterns[0]
            text = f'#include "{include}"\n'
            self.assertEqual(findings({"libs/clock/a.cc": text}), [("libs/clock/a.cc", "owners")], what)
            for owner in owners:
                path = owner.replace("*", "x") + ".cc" if "*" in owner else f"{owner}/a.cc"
                self.assertEqual(findings({path: text}), [], f"{what} in {owner}")

    def test_a_pattern_lets_in_only_the_files_that_it_names(self):
        text = "#include <pqxx/pqxx>\n"
        self.assertEqual(findings({"services/fill/pg_store.cc": text}), [])
        self.assertEqual(findings({"services/fill/service.cc": text}), [("services/fill/service.cc", "owners")])

    def test_a_folder_whose_name_begins_like_an_owner_is_not_the_owner(self):
        self.assertEqual(findings({"libs/pgx/a.cc": "#include <pqxx/pqxx>\n"}), [("libs/pgx/a.cc", "owners")])


class Headers(unittest.TestCase):

    def test_a_good_header_passes(self):
        self.assertEqual(findings({"libs/net/ip-address.h": header("libs/net/ip_address.h")}), [])

    def test_a_guard_of_another_form_is_found(self):
        for text in (BANNER + "#pragma once\n", header("libs/net/other.h"), header("libs/net/a.h") + "int x;\n",
                     header("libs/net/a.h").replace("#define FAIRLEAD_LIBS_NET_A_H_", "#define FAIRLEAD_LIBS_NET_B_H_")):
            self.assertIn(("libs/net/a.h", "guard"), findings({"libs/net/a.h": text}), text)

    def test_a_header_without_a_banner_is_found(self):
        text = header("libs/net/a.h")
        self.assertEqual(findings({"libs/net/a.h": text[len(BANNER):]}), [("libs/net/a.h", "banner")])
        self.assertEqual(findings({"libs/net/a.h": "//\n" + text[len(BANNER):]}), [("libs/net/a.h", "banner")])

    def test_a_file_that_is_too_long_is_found(self):
        self.assertEqual(findings({"libs/net/a.cc": "\n" * rules.MAX_LINES}), [])
        self.assertEqual(findings({"libs/net/a.cc": "\n" * (rules.MAX_LINES + 1)}), [("libs/net/a.cc", "length")])


class Folders(unittest.TestCase):

    def readmes(self, files):
        return [f.path for f in tree_lint.lint([tree_lint.Source(p, t) for p, t in files.items()], {}) if f.rule == "readme"]

    def test_a_service_without_a_readme_is_found(self):
        self.assertEqual(self.readmes({"services/x/main.cc": "", "services/x/BUILD.bazel": "# A banner.\n"}), ["services/x/README.md"])
        self.assertEqual(self.readmes({"services/x/main.cc": "", "services/x/README.md": "# x\n"}), [])

    def test_a_library_needs_a_readme_or_a_banner_in_its_build_file(self):
        self.assertEqual(self.readmes({"libs/x/BUILD.bazel": 'load("//…")\n'}), ["libs/x/BUILD.bazel"])
        self.assertEqual(self.readmes({"libs/x/BUILD.bazel": "# What x is.\n"}), [])
        self.assertEqual(self.readmes({"libs/x/BUILD.bazel": "", "libs/x/README.md": "# x\n"}), [])


class Text(unittest.TestCase):

    def test_a_test_that_sleeps_is_found(self):
        for call in ("std::this_thread::sleep_for(x);", "absl::SleepFor(absl::Seconds(1));", "usleep(5);", "sleep(1);"):
            self.assertEqual(findings({"tests/x/a_test.cc": f"void F() {{ {call} }}\n"}), [("tests/x/a_test.cc", "sleep")], call)
        self.assertEqual(findings({"tests/x/a_test.cc": "// Never absl::SleepFor(1).\n"}), [])
        self.assertEqual(findings({"services/x/a.cc": "void F() { absl::SleepFor(x); }\n"}), [])

    def test_the_short_pause_of_a_polling_loop_is_no_sleep(self):
        poll = "while (!done()) {\n  if (late()) return false;\n  absl::SleepFor(absl::Milliseconds(5));\n}\n"
        self.assertEqual(findings({"tests/x/a_test.cc": poll}), [])
        for bad in (poll.replace("(5)", "(500)"), poll.replace("while", "if"), poll.replace("Milliseconds", "Seconds")):
            self.assertEqual(findings({"tests/x/a_test.cc": bad}), [("tests/x/a_test.cc", "sleep")], bad)

    def test_a_read_that_throws_is_found(self):
        for line in ("std::string t(std::istreambuf_iterator<char>(in), {});", "for (const auto& e : fs::directory_iterator(p, error)) {",
                     "for (const auto& e : std::filesystem::recursive_directory_iterator(p)) {"):
            self.assertEqual(findings({"tests/x/a.cc": f"{line}\n"}), [("tests/x/a.cc", "reads")], line)
            self.assertEqual(findings({"tests/x/a_test.cc": f"{line}\n"}), [], line)
        self.assertEqual(findings({"tests/x/a.cc": "for (fs::directory_iterator e(p, error), end; e != end; e.increment(error)) {\n"}), [])

    def test_a_function_whose_calls_the_compiler_leaves_out_is_found(self):
        body = "  __builtin_prefetch(&a_[i]);\n  __builtin_prefetch(&b_[i]);\n}\n"
        for line in ("void Fetch(size_t i) const {\n" + body, "  void Fetch() const { __builtin_prefetch(p_); }\n"):
            self.assertEqual(findings({"services/x/a.cc": line}), [("services/x/a.cc", "prefetch")], line)
        for line in ("[[gnu::always_inline]] void Fetch(size_t i) const {\n" + body, "void Class::Fetch(size_t i) const {\n" + body,
                     "void Take(size_t i) {\n  ++i;\n" + body, "for (size_t i = 0; i < n; ++i) __builtin_prefetch(a + i);\n", "  if (far) {\n" + body):
            self.assertEqual(findings({"services/x/a.cc": line}), [], line)

    def test_unwanted_text_is_found_in_code_and_prose(self):
        key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n"
        for text in ("a whitelist\n", "a slave\n", "see /home/jane/x\n", "// TODO: tidy\n", "// TODO(jane)\n", "// FIXME later\n", key,
                     "<<<<<<< HEAD\n", "ghp_" + "a" * 36 + "\n"):
            for path in ("libs/x/a.cc", "docs/a.md", "run"):
                self.assertEqual(findings({path: text}), [(path, "text")], text)

    def test_text_that_only_looks_alike_passes(self):
        self.assertEqual(
            findings({"a.md": "allow-list; https://example.net/home/page; network/a; $HOME/x; TODO(jane): drop when v1 is gone\n=== a ===\n"}), [])


class Command(unittest.TestCase):

    def run_on(self, files: dict[str, str]) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                code = tree_lint.main([root])
            return code, out.getvalue()

    # Small, but with what each exception excuses, since one that nothing needs is a finding.
    GOOD = {"WORKSPACE": "", **{f"docs/{n}.md": "" for n in range(20)}}
    for excused, _, include in rules.EXCEPTIONS:
        GOOD[os.path.dirname(excused) + "/README.md"] = ""
        line = f'#include "{include}"\n'
        GOOD[excused] = header(excused, line) if excused.endswith(".h") else GOOD.get(excused, "") + line

    def test_a_clean_tree_is_exit_0(self):
        self.assertEqual(self.run_on(self.GOOD), (0, ""))

    def test_a_bad_file_is_exit_1_with_its_path_line_and_rule(self):
        code, out = self.run_on({**self.GOOD, "libs/net/a.cc": "\n#include <random>\n", "libs/net/README.md": ""})
        self.assertEqual(code, 1)
        self.assertEqual(out, "libs/net/a.cc:2: [pure] random lets randomness into the pure room libs/net\n")

    def test_a_wrong_root_is_an_error_and_not_a_pass(self):
        self.assertEqual(self.run_on({"a.md": ""})[0], 2)


if __name__ == "__main__":
    unittest.main()
