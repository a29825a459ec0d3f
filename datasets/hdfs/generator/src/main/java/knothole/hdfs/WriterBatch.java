package knothole.hdfs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.StreamDoor;
import org.apache.hadoop.hdfs.protocol.DatanodeInfo;

/** Many files open at once: written in part, held open for a while, then finished together. */
final class WriterBatch {
  private static final int WRITERS = 48;
  private static final int THREADS = 8;
  private static final int FINISH_LIMIT_SECONDS = 60;
  private static final int FIRST_PART_BYTES = 40000;
  private static final int SECOND_PART_BYTES = 20000;
  private static final byte[] DATA = new byte[FIRST_PART_BYTES];

  private record OpenFile(DistributedFileSystem fs, Path path, FSDataOutputStream out) {}

  private final Cluster cluster;
  private final Labels labels;
  private final List<OpenFile> files = new ArrayList<>();

  private WriterBatch(Cluster cluster, Labels labels) {
    this.cluster = cluster;
    this.labels = labels;
  }

  /** Opens the files and leaves every pipeline open. */
  static WriterBatch open(
      Cluster cluster, Labels labels, DistributedFileSystem[] clients, String pathPrefix)
      throws IOException {
    WriterBatch batch = new WriterBatch(cluster, labels);
    for (int i = 0; i < WRITERS; i++) {
      DistributedFileSystem fs = clients[i % clients.length];
      Path path = new Path(pathPrefix + i);
      FSDataOutputStream out = create(fs, path);
      out.write(DATA);
      if (i % 3 == 0) { // A third are in their second block.
        out.write(DATA);
      }
      out.hflush();
      batch.files.add(new OpenFile(fs, path, out));
    }
    Nap.millis(1500);
    return batch;
  }

  static FSDataOutputStream create(DistributedFileSystem fs, Path path) throws IOException {
    return fs.create(
        path,
        FsPermission.getFileDefault(),
        EnumSet.of(CreateFlag.CREATE),
        4096,
        (short) 3,
        65536,
        null);
  }

  List<Path> paths() {
    return files.stream().map(OpenFile::path).toList();
  }

  /** Notes a fault for each block whose open pipeline runs through this DataNode. */
  void hitThrough(String nodeUuid, FaultKind kind) {
    for (OpenFile file : files) {
      for (DatanodeInfo node : StreamDoor.pipeline(file.out)) {
        if (node.getDatanodeUuid().equals(nodeUuid)) {
          labels.hit(StreamDoor.openBlock(file.out).getBlockId(), kind);
        }
      }
    }
  }

  /** Writes the rest of every file and closes it. */
  void finish() throws InterruptedException {
    ExecutorService pool = Executors.newFixedThreadPool(THREADS);
    List<Future<?>> ends = new ArrayList<>();
    for (int i = 0; i < files.size(); i++) {
      OpenFile file = files.get(i);
      int parts = i % 4 == 0 ? 2 : 1;
      ends.add(pool.submit(() -> finish(file, parts)));
    }
    for (Future<?> end : ends) {
      try {
        end.get(FINISH_LIMIT_SECONDS, TimeUnit.SECONDS);
      } catch (ExecutionException | TimeoutException e) {
        System.err.println("batch: " + e);
      }
    }
    pool.shutdown();
  }

  private Void finish(OpenFile file, int parts) throws IOException {
    for (int i = 0; i < parts; i++) {
      file.out.write(DATA, 0, SECOND_PART_BYTES);
    }
    file.out.close();
    labels.own(cluster.blocksOf(file.fs, file.path));
    return null;
  }
}
