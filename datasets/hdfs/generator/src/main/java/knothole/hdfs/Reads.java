package knothole.hdfs;

import java.io.IOException;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DistributedFileSystem;

/** The ways in which a client reads a file. */
final class Reads {
  private Reads() {}

  static void whole(DistributedFileSystem fs, Path path) throws IOException {
    byte[] buffer = new byte[8192];
    try (FSDataInputStream in = fs.open(path)) {
      while (in.read(buffer) > 0) {
        // Only the traffic matters.
      }
    }
  }

  static void range(DistributedFileSystem fs, Path path, long from, int length)
      throws IOException {
    try (FSDataInputStream in = fs.open(path)) {
      in.readFully(from, new byte[length], 0, length);
    }
  }
}
