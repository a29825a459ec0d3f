package knothole.hdfs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DFSClientAdapter;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.StreamDoor;
import org.apache.hadoop.hdfs.protocol.ExtendedBlock;

/**
 * Faults of the writing process itself. Each such file gets a client of its own, which goes down
 * with it.
 */
final class WriterFaults {
  private static final int LEASE_TRIES_MAX = 60;

  private final Cluster cluster;
  private final Labels labels;
  private final DistributedFileSystem survivor;
  private final Random random;
  private final Filler filler;
  /** Hung streams and their clients, held so that no collector ends them. */
  private final List<AutoCloseable> hung = new ArrayList<>();

  WriterFaults(
      Cluster cluster,
      Labels labels,
      DistributedFileSystem survivor,
      Random random,
      Filler filler) {
    this.cluster = cluster;
    this.labels = labels;
    this.survivor = survivor;
    this.random = random;
    this.filler = filler;
  }

  /** Writes the file and lets its writer fail; true if others can read the file afterwards. */
  boolean inject(Path path, FileFate fate) throws IOException {
    DistributedFileSystem victim = cluster.newClient();
    FSDataOutputStream out = fate.create(victim, path);
    filler.fill(out, fate.length());
    out.hflush();
    ExtendedBlock block = StreamDoor.openBlock(out);
    if (block == null) { // The last block is full and closed: nothing is left to fail.
      out.close();
      labels.own(cluster.blocksOf(survivor, path));
      victim.close();
      return false;
    }
    labels.hit(block.getBlockId(), fate.fault());
    if (fate.fault() == FaultKind.HUNG_WRITER) {
      labels.own(cluster.blocksOf(survivor, path));
      hung.add(out);
      hung.add(victim);
      return false;
    }
    die(victim, out);
    recover(path);
    return true;
  }

  private void die(DistributedFileSystem victim, FSDataOutputStream out) throws IOException {
    DFSClientAdapter.stopLeaseRenewer(victim);
    StreamDoor.abort(out);
    victim.close();
  }

  private void recover(Path path) throws IOException {
    Nap.millis(200 + random.nextInt(800));
    for (int i = 0; i < LEASE_TRIES_MAX && !survivor.recoverLease(path); i++) {
      Nap.millis(500);
    }
    labels.own(cluster.blocksOf(survivor, path));
  }
}
