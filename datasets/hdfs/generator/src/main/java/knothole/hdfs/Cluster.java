package knothole.hdfs;

import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.MiniDFSCluster.DataNodeProperties;
import org.apache.hadoop.hdfs.protocol.DatanodeInfo;
import org.apache.hadoop.hdfs.protocol.ExtendedBlock;
import org.apache.hadoop.hdfs.protocol.LocatedBlock;
import org.apache.hadoop.hdfs.server.blockmanagement.BlockManager;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.datanode.DataNodeDoor;
import org.apache.hadoop.hdfs.server.datanode.DataNodeFaultInjector;
import org.apache.hadoop.hdfs.server.datanode.FsDatasetTestUtils.MaterializedReplica;
import org.apache.hadoop.hdfs.server.namenode.EditLogFileOutputStream;

/** The HDFS under test: one NameNode and its DataNodes in this JVM, on the loopback address. */
final class Cluster {
  static final int NODES = 7;
  /** HDFS counts its block ids up from here. */
  static final long FIRST_BLOCK = 1073741825L;

  private static final int HEAL_LIMIT_SECONDS = 60;
  private static final int HEAL_POLL_MILLIS = 250;
  private static final int HEAL_QUIET_POLLS = 10;

  private final PlannedFaults plans;
  private final Labels labels;
  private final MiniDFSCluster mini;
  private final Configuration conf;

  private Cluster(MiniDFSCluster mini, PlannedFaults plans, Labels labels) {
    this.mini = mini;
    this.conf = mini.getConfiguration(0);
    this.plans = plans;
    this.labels = labels;
  }

  static Cluster start(File directory, PlannedFaults plans, Labels labels) throws IOException {
    EditLogFileOutputStream.setShouldSkipFsyncForTesting(true);
    DataNodeFaultInjector.set(new PipelineHooks(plans, labels));
    MiniDFSCluster mini =
        new MiniDFSCluster.Builder(configuration(directory))
            .numDataNodes(NODES)
            .storagesPerDatanode(1)
            .build();
    mini.waitActive();
    Cluster cluster = new Cluster(mini, plans, labels);
    cluster.tapNotices();
    return cluster;
  }

  private static Configuration configuration(File directory) {
    Configuration conf = new HdfsConfiguration();
    conf.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, directory.getPath());
    conf.setLong("dfs.namenode.fs-limits.min-block-size", 4096);
    conf.setLong("dfs.blocksize", 65536);
    setHaste(conf);
    conf.setInt("dfs.namenode.handler.count", 8);
    conf.setInt("dfs.datanode.handler.count", 3);
    conf.setInt("dfs.datanode.directoryscan.threads", 1);
    // Slowness must show in the times, not be announced in words.
    conf.setLong("dfs.datanode.slow.io.warning.threshold.ms", 60000);
    conf.setInt("dfs.client.slow.io.warning.threshold.ms", 60000);
    conf.setBoolean("dfs.namenode.avoid.read.stale.datanode", false);
    conf.setInt("ipc.client.connect.max.retries", 2);
    conf.setBoolean("dfs.namenode.blockreport.queue", false);
    return conf;
  }

  /** A node counts as dead after 14 s, and repairs begin at once: hours fit into minutes. */
  private static void setHaste(Configuration conf) {
    conf.setInt("dfs.heartbeat.interval", 1);
    conf.setInt("dfs.namenode.heartbeat.recheck-interval", 2000);
    conf.setInt("dfs.namenode.redundancy.interval.seconds", 1);
    conf.setInt("dfs.namenode.reconstruction.pending.timeout-sec", 6);
    conf.setInt("dfs.namenode.replication.max-streams", 20);
    conf.setInt("dfs.namenode.replication.max-streams-hard-limit", 40);
    conf.setInt("dfs.namenode.replication.work.multiplier.per.iteration", 10);
  }

  /** Puts a tap on every DataNode that has none: after a restart it is a new object. */
  private void tapNotices() throws IOException {
    InetSocketAddress nameNode = mini.getNameNode().getNameNodeAddress();
    for (DataNode node : mini.getDataNodes()) {
      DataNodeDoor.replaceNameNodeProxy(
          node, NoticeTap.class, () -> new NoticeTap(nameNode, conf, plans, labels));
    }
  }

  /** A client of its own, sharing no connection state with the others. */
  DistributedFileSystem newClient() throws IOException {
    return (DistributedFileSystem) FileSystem.newInstance(conf);
  }

  /** The id that the next block will get. */
  long nextBlock() {
    return blockManager().getBlockIdManager().getLastAllocatedContiguousBlockId() + 1;
  }

  long blocksMade() {
    return nextBlock() - FIRST_BLOCK;
  }

  List<LocatedBlock> blocksOf(DistributedFileSystem fs, Path path) throws IOException {
    return fs.getClient()
        .getLocatedBlocks(path.toString(), 0, Long.MAX_VALUE)
        .getLocatedBlocks();
  }

  int corruptReplicas(ExtendedBlock block) {
    return blockManager().numCorruptReplicas(block.getLocalBlock());
  }

  String blockPool() {
    return mini.getNamesystem().getBlockPoolId();
  }

  DataNode node(int index) {
    return mini.getDataNodes().get(index);
  }

  Optional<DataNode> node(DatanodeInfo info) {
    return mini.getDataNodes().stream()
        .filter(node -> node.getDatanodeUuid().equals(info.getDatanodeUuid()))
        .findFirst();
  }

  /** The replica's file, to damage it. */
  MaterializedReplica replica(DataNode node, ExtendedBlock block) throws IOException {
    return mini.getMaterializedReplica(node, block);
  }

  DataNodeProperties stopNode(int index) {
    return mini.stopDataNode(index);
  }

  /** Starts a stopped DataNode on its old port and waits until its blocks are whole again. */
  void restartNode(DataNodeProperties stopped) throws IOException {
    mini.restartDataNode(stopped, true);
    mini.waitActive();
    tapNotices();
    heal();
  }

  /**
   * Waits until no block lacks a copy, none is being copied and none waits for deletion. Surplus
   * copies need only be steady: with a lost notice one may stay for good.
   */
  void heal() {
    long surplusBefore = -1;
    int polls = HEAL_LIMIT_SECONDS * 1000 / HEAL_POLL_MILLIS;
    for (int poll = 0, quiet = 0; poll < polls && quiet < HEAL_QUIET_POLLS; poll++) {
      long surplus = blockManager().getExcessBlocksCount();
      quiet = openRepairs() == 0 && surplus == surplusBefore ? quiet + 1 : 0;
      surplusBefore = surplus;
      Nap.millis(HEAL_POLL_MILLIS);
    }
  }

  private long openRepairs() {
    BlockManager blocks = blockManager();
    return blocks.getLowRedundancyBlocksCount()
        + blocks.getPendingReconstructionBlocksCount()
        + blocks.getPendingDeletionBlocksCount();
  }

  private BlockManager blockManager() {
    return mini.getNamesystem().getBlockManager();
  }
}
