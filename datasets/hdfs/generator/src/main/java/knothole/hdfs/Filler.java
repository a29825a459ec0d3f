package knothole.hdfs;

import java.io.IOException;
import java.util.Random;
import org.apache.hadoop.fs.FSDataOutputStream;

/** Fills files with random bytes in chunks of 1 to 17 KB, as a program writing records would. */
final class Filler {
  private static final int CHUNK_MIN_BYTES = 1024;
  private static final int CHUNK_SPREAD_BYTES = 16384;

  private final Random random;
  private final byte[] data = new byte[1 << 20];

  Filler(Random random) {
    this.random = random;
    random.nextBytes(data);
  }

  void fill(FSDataOutputStream out, long length) throws IOException {
    for (long written = 0; written < length; ) {
      int chunk = CHUNK_MIN_BYTES + random.nextInt(CHUNK_SPREAD_BYTES);
      chunk = (int) Math.min(length - written, chunk);
      out.write(data, random.nextInt(data.length - chunk), chunk);
      written += chunk;
    }
  }
}
