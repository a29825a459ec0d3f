package knothole.hdfs;

import java.io.IOException;
import java.util.EnumSet;
import java.util.Random;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;

/** What is settled about a file before its first byte is written. */
record FileFate(long blockSize, short replication, long length, FaultKind fault) {
  private static final int IO_BUFFER_BYTES = 4096;
  private static final long SMALL_BLOCK_BYTES = 64 << 10;
  private static final long LARGE_BLOCK_BYTES = 128 << 10;

  /** Draws a fate. The order of the draws is part of the seed's meaning. */
  static FileFate draw(Random random, int fileNumber, Settings settings) {
    int blocks = 1 + (int) Math.min(5, Math.abs(random.nextGaussian() * 2));
    long blockSize = random.nextDouble() < 0.6 ? SMALL_BLOCK_BYTES : LARGE_BLOCK_BYTES;
    long lastBlock = random.nextDouble() < 0.1 ? blockSize : 1 + random.nextInt((int) blockSize);
    return new FileFate(
        blockSize,
        drawReplication(random),
        (blocks - 1) * blockSize + lastBlock,
        drawFault(random, fileNumber, settings));
  }

  private static short drawReplication(Random random) {
    if (random.nextDouble() < 0.86) {
      return 3;
    }
    return (short) (random.nextDouble() < 0.7 ? 2 : 4);
  }

  /**
   * At most one fault a file. All three draws are always made, so that the file's later draws do
   * not depend on the outcome.
   */
  private static FaultKind drawFault(Random random, int fileNumber, Settings settings) {
    boolean chosen = random.nextDouble() < settings.faultRate();
    FaultKind kind = FaultKind.drawn().get(random.nextInt(FaultKind.drawn().size()));
    boolean halved = random.nextDouble() < 0.5;
    boolean spared =
        !chosen
            || fileNumber < settings.faultFreeFiles()
            // The loud kinds are easy to detect: half of them are enough.
            || halved && kind.isLoud()
            // The pipeline of a hung writer recovers, loudly, at the next node fault: wait until
            // the last of these is over.
            || kind == FaultKind.HUNG_WRITER && fileNumber < settings.filesPerClient() * 0.86;
    return spared ? FaultKind.NONE : kind;
  }

  FSDataOutputStream create(DistributedFileSystem fs, Path path) throws IOException {
    return fs.create(
        path,
        FsPermission.getFileDefault(),
        EnumSet.of(CreateFlag.CREATE, CreateFlag.OVERWRITE),
        IO_BUFFER_BYTES,
        replication,
        blockSize,
        null);
  }
}
