"""Tests of the scripts here: python3 -m unittest test_scripts.py"""

import io
import pathlib
import tempfile
import unittest

import corpus
import cut_train
import verify

TIME = b"2026-11-21T07:43:17.075 "


def line(text):
    return TIME + b"INFO a.B: " + text + b"\n"


def problems_of(text):
    return set(verify.line_problems(text, verify.re.compile(rb"\bsecret-host\b")))


class Cutting(unittest.TestCase):
    LINES = [line(b"start"), line(b"blk_1_9 a"), line(b"blk_2 a"), line(b"blk_1 b")]

    def cut(self, lines):
        out = io.BytesIO()
        stretch, last_line = cut_train.cut(lines, {1, 2}, out)
        return out.getvalue(), stretch, last_line

    def test_stretch_ends_before_the_first_line_with_another_block(self):
        rest = [line(b"ask to delete [blk_2, blk_3]"), line(b"blk_1 c")]
        text, stretch, last_line = self.cut(self.LINES + rest)
        self.assertEqual(text, b"".join(self.LINES))
        self.assertEqual(stretch, 4)
        self.assertEqual(last_line, {1: 5, 2: 4})

    def test_log_without_other_blocks_is_kept_whole(self):
        text, stretch, _ = self.cut(self.LINES)
        self.assertEqual((text, stretch), (b"".join(self.LINES), 4))

    def test_empty_log_gives_an_empty_stretch(self):
        self.assertEqual(self.cut([]), (b"", 0, {}))


class Verifying(unittest.TestCase):
    def test_ordinary_lines_pass(self):
        for text in (
            b"Deleted BP-1-127.0.0.1-2 blk_3 URI file:/data/dfs/data/data7/current/x",
            b"src: /127.0.0.1:46468 dest: /127.0.0.1:41601",
            b"BLOCK* allocate blk_1_2, replicas=127.0.0.1:1 for /user/u1/f2",
        ):
            self.assertEqual(problems_of(line(text)), set(), text)

    def test_traces_of_the_machine_are_refused(self):
        self.assertEqual(problems_of(line(b"lock on /tmp/dfs/x")), {"path outside the cluster"})
        self.assertEqual(problems_of(line(b"file:/home/me/x")), {"path outside the cluster"})
        self.assertEqual(problems_of(line(b"dest: /10.1.2.3:80")), {"foreign address"})
        self.assertEqual(problems_of(line(b"pid@secret-host up")), {"name of this machine"})

    def test_words_about_the_fault_are_refused(self):
        self.assertEqual(
            problems_of(line(b"Corrupting block file blk_1")), {"line that gives a fault away"}
        )

    def test_second_line_of_an_event_is_refused(self):
        self.assertEqual(problems_of(b"\tat a.b.C\n"), {"line without time, level and logger"})

    def test_labels_must_fit_the_log(self):
        problems = verify.Problems()
        labels = {1: ("N", "-"), 2: ("N", "slow_ack"), 3: ("A", "unheard_of")}
        verify.check_labels(labels, {1, 2, 4}, problems, short=True)
        self.assertEqual(
            set(problems.places),
            {
                "verdict and kind do not fit",
                "unknown kind of fault",
                "label without a line in the log",
                "block without a label",
            },
        )

    def test_missing_kind_is_a_problem_of_a_full_run_only(self):
        for short, found in ((True, 0), (False, len(verify.KINDS))):
            problems = verify.Problems()
            verify.check_labels({1: ("N", "-")}, {1}, problems, short)
            self.assertEqual(len(problems.places["kind of fault missing"]), found)


class Reading(unittest.TestCase):
    def test_generation_stamp_is_no_part_of_the_id(self):
        self.assertEqual(corpus.blocks_in(b"x blk_12_34 BP-1:blk_5_6, [blk_7]"), {12, 5, 7})

    def test_training_blocks_end_at_the_first_that_is_not_normal(self):
        labels = {1: ("N", "-"), 2: ("N", "-"), 3: ("X", "unowned"), 4: ("N", "-")}
        self.assertEqual(corpus.fault_free_start(labels), {1, 2})

    def test_ids_survive_writing_and_reading(self):
        with tempfile.TemporaryDirectory() as folder:
            corpus.write_ids(folder, [3, 1])
            self.assertEqual((pathlib.Path(folder) / "train.ids").read_text(), "blk_1\nblk_3\n")
            self.assertEqual(corpus.read_ids(folder), {1, 3})

    def test_folder_without_a_log_is_an_error_for_people(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(corpus.CorpusError):
            with corpus.open_log(folder):
                pass


if __name__ == "__main__":
    unittest.main()
