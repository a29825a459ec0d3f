"""Looks at `knothole top` as a person does, through a pseudo-terminal.

    top.py KNOTHOLE API PID

KNOTHOLE is the program, API the address of a daemon's API and PID that daemon, which has one service or
none. Ends with 0 where top draws, follows the size of the terminal, ends by `q`, Ctrl-C and SIGTERM, also
while it waits for an answer, and leaves the terminal as it was.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

KNOTHOLE, API, PID = sys.argv[1], sys.argv[2], int(sys.argv[3])
SOON = 60
ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l\x1b[?7l", b"\x1b[?7h\x1b[?25h\x1b[?1049l"
HOME = b"\x1b[H"
COOKED = termios.ICANON | termios.ECHO | termios.ISIG


class Top:
    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.slave)
        self.out = b""
        self.process = subprocess.Popen(
            [KNOTHOLE, "top", "--every", "200ms", "--url", API],
            stdin=self.slave,
            stdout=self.slave,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.wait(lambda: self.out.count(HOME) >= 2)
        assert self.out.startswith(ENTER), self.out[:80]
        assert not termios.tcgetattr(self.slave)[3] & COOKED

    def resize(self, columns, lines):
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)

    def wait(self, is_so):
        deadline = time.monotonic() + SOON
        while not is_so():
            assert time.monotonic() < deadline, self.out[-2000:]
            if select.select([self.master], [], [], 0.05)[0]:
                self.out += os.read(self.master, 65536)

    def frame(self, number):
        """The lines of a frame, of those that are drawn whole."""
        text = self.out.split(HOME)[number]
        return [line.split(b"\x1b")[0].decode() for line in text.splitlines()]

    def next_frame(self):
        """One that was begun after now."""
        count = self.out.count(HOME)
        self.wait(lambda: self.out.count(HOME) >= count + 2)
        return self.frame(-2)

    def stands_still(self):
        """Draws nothing for several times as long as it usually takes: it waits for an answer."""
        while select.select([self.master], [], [], 1)[0]:
            self.out += os.read(self.master, 65536)

    def ends(self, how):
        how()
        self.wait(lambda: self.process.poll() is not None)
        self.wait(lambda: self.out.endswith(LEAVE))
        assert self.process.returncode == 0, self.process.returncode
        assert termios.tcgetattr(self.slave) == self.before


top = Top()
assert top.frame(1)[0].startswith(f"knothole http://{API}"), top.frame(1)
top.resize(120, 24)
top.wait(lambda: any(len(line) > 90 for line in top.next_frame()))
top.resize(30, 4)
assert len([line for line in top.next_frame() if line]) <= 3
os.write(top.master, b"x")
top.next_frame()
top.ends(lambda: os.write(top.master, b"q"))

top = Top()
top.ends(lambda: os.write(top.master, b"\x03"))
top = Top()
top.ends(lambda: top.process.send_signal(signal.SIGTERM))

top = Top()
os.kill(PID, signal.SIGSTOP)
try:
    top.stands_still()
    top.ends(lambda: os.write(top.master, b"\x03"))
finally:
    os.kill(PID, signal.SIGCONT)
