package knothole.hdfs;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.apache.hadoop.fs.Path;

/** The finished files that anybody may read. */
final class LiveFiles {
  private final List<Path> files = new ArrayList<>();
  private final ReadWriteLock reading = new ReentrantReadWriteLock(true);

  synchronized void add(Path path) {
    files.add(path);
  }

  synchronized void remove(Path path) {
    files.remove(path);
  }

  synchronized Optional<Path> pick(Random random) {
    return files.isEmpty()
        ? Optional.empty()
        : Optional.of(files.get(random.nextInt(files.size())));
  }

  /** Held by a background reader from picking a file until it has read it. */
  Lock readerLock() {
    return reading.readLock();
  }

  /**
   * Takes a file away and waits until no background reader reads it any more. A reader that reads
   * while a file is appended to or truncated may report a checksum error where there is none, and
   * a normal block would look corrupt.
   */
  void withdraw(Path path) {
    remove(path);
    reading.writeLock().lock();
    reading.writeLock().unlock();
  }
}
