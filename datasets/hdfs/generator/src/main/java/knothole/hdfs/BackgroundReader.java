package knothole.hdfs;

import java.io.IOException;
import java.util.Optional;
import java.util.Random;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DistributedFileSystem;

/** Reads random ranges of live files all the time, node faults or not. */
final class BackgroundReader extends Thread {
  private final Random random;
  private final DistributedFileSystem fs;
  private final LiveFiles files;
  private volatile boolean stopped;

  BackgroundReader(int number, Settings settings, Cluster cluster, LiveFiles files)
      throws IOException {
    random = new Random(settings.seed() * 7919 + number);
    fs = cluster.newClient();
    this.files = files;
    setDaemon(true);
  }

  void stopReading() {
    stopped = true;
  }

  @Override
  public void run() {
    while (!stopped) {
      Nap.millis(20 + random.nextInt(60));
      files.readerLock().lock();
      try {
        Optional<Path> path = files.pick(random);
        if (path.isPresent()) {
          readSome(path.get());
        }
      } catch (IOException | RuntimeException e) {
        // The file may be deleted, or its node may be down: both belong to the scene.
      } finally {
        files.readerLock().unlock();
      }
    }
  }

  private void readSome(Path path) throws IOException {
    byte[] buffer = new byte[4096];
    long length = fs.getFileStatus(path).getLen();
    try (FSDataInputStream in = fs.open(path)) {
      in.seek((long) (random.nextDouble() * length));
      for (int i = 0; i < 1 + random.nextInt(30) && in.read(buffer) > 0; i++) {
        // Only the traffic matters.
      }
    }
  }
}
