package knothole.hdfs;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.protocol.Block;
import org.apache.hadoop.hdfs.protocol.DatanodeInfo;
import org.apache.hadoop.hdfs.protocol.ExtendedBlock;
import org.apache.hadoop.hdfs.protocol.LocatedBlock;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.datanode.DataNodeDoor;
import org.apache.hadoop.hdfs.server.datanode.DataNodeTestUtils;

/** Faults of one stored replica of a finished file. */
final class ReplicaFaults {
  private static final int READS_MAX = 12;

  private final Cluster cluster;
  private final Labels labels;
  private final DistributedFileSystem fs;
  private final Random random;

  ReplicaFaults(Cluster cluster, Labels labels, DistributedFileSystem fs, Random random) {
    this.cluster = cluster;
    this.labels = labels;
    this.fs = fs;
    this.random = random;
  }

  /** Damages one replica of one block of the file, both drawn. */
  void inject(Path path, FaultKind kind) throws IOException {
    List<LocatedBlock> blocks = cluster.blocksOf(fs, path);
    int index = random.nextInt(blocks.size());
    LocatedBlock located = blocks.get(index);
    ExtendedBlock block = located.getBlock();
    Optional<DataNode> holder = drawHolder(located);
    if (holder.isEmpty() || labels.isFaulty(block.getBlockId())) {
      return;
    }
    Nap.millis(300);
    labels.hit(block.getBlockId(), kind);
    switch (kind) {
      case ROGUE_DELETE -> deleteUnasked(holder.get(), block);
      case LOST_FILE -> {
        cluster.replica(holder.get(), block).deleteData();
        if (random.nextDouble() < 0.4) {
          DataNodeTestUtils.runDirectoryScanner(holder.get());
        } else {
          readUntilNoticed(path, index, located);
        }
      }
      case CORRUPT_SCAN -> {
        cluster.replica(holder.get(), block).corruptData();
        DataNodeDoor.scanSoon(holder.get(), block);
      }
      case CORRUPT_READ -> {
        cluster.replica(holder.get(), block).corruptData();
        readUntilNoticed(path, index, located);
      }
      default -> throw new IllegalArgumentException("not a fault of a replica: " + kind);
    }
  }

  private Optional<DataNode> drawHolder(LocatedBlock block) {
    DatanodeInfo[] holders = block.getLocations();
    return holders.length == 0
        ? Optional.empty()
        : cluster.node(holders[random.nextInt(holders.length)]);
  }

  /** A healthy replica goes through the DataNode's ordinary path: only the order is missing. */
  private void deleteUnasked(DataNode holder, ExtendedBlock block) throws IOException {
    Block[] unasked = {block.getLocalBlock()};
    holder.getFSDataset().invalidate(block.getBlockPoolId(), unasked);
    Nap.millis(2000);
  }

  /** Reads this block only, until a read met the bad replica: clients choose replicas freely. */
  private void readUntilNoticed(Path path, int index, LocatedBlock located) throws IOException {
    ExtendedBlock block = located.getBlock();
    int holders = located.getLocations().length;
    for (int i = 0; i < READS_MAX; i++) {
      try {
        Reads.range(fs, path, located.getStartOffset(), (int) block.getNumBytes());
      } catch (IOException e) {
        // A read that fails has met the replica, too.
      }
      if (cluster.corruptReplicas(block) > 0
          || cluster.blocksOf(fs, path).get(index).getLocations().length < holders) {
        return;
      }
      Nap.millis(150);
    }
  }
}
