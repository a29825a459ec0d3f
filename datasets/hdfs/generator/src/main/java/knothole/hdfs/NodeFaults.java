package knothole.hdfs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster.DataNodeProperties;
import org.apache.hadoop.hdfs.server.datanode.ReplicaInfo;
import org.apache.hadoop.hdfs.server.datanode.fsdataset.FsVolumeSpi;
import org.apache.hadoop.hdfs.server.datanode.fsdataset.impl.FsDatasetTestUtil;
import org.apache.hadoop.hdfs.server.datanode.fsdataset.impl.FsVolumeImpl;

/**
 * Faults of whole DataNodes. The clients pause meanwhile, so that it is known which blocks a fault
 * hit; a batch of files written here takes their place.
 */
final class NodeFaults {
  private static final int CLIENTS = 4;
  private static final int FULL_VOLUME_FILES = 20;
  /** Above the 14 s after which the NameNode gives a silent DataNode up. */
  private static final int DEAD_MILLIS = 17000;

  private final Cluster cluster;
  private final Labels labels;
  private final LiveFiles live;
  private final Random random;
  private final DistributedFileSystem[] clients = new DistributedFileSystem[CLIENTS];
  private final List<Path> leftOver = new ArrayList<>();

  NodeFaults(Workload workload) throws IOException {
    cluster = workload.cluster();
    labels = workload.labels();
    live = workload.live();
    random = new Random(workload.settings().seed());
    for (int i = 0; i < CLIENTS; i++) {
      clients[i] = cluster.newClient();
    }
  }

  /** One round: a batch without a fault, the same with a stopped node, then full volumes. */
  void round(int round) throws IOException, InterruptedException {
    deleteLeftOver();
    String directory = "/user/b" + round;
    controlBatch(directory + "/f0");
    stopNode(directory + "/f1");
    fillVolumes(directory + "/f2");
  }

  private void deleteLeftOver() throws IOException {
    for (Path path : leftOver) {
      live.remove(path);
      clients[0].delete(path, false);
    }
    leftOver.clear();
    cluster.heal();
  }

  /** Slow writers and nothing wrong: so a batch of slow writers is no hint at a fault. */
  private void controlBatch(String pathPrefix) throws IOException, InterruptedException {
    drawNode(); // Nobody's, but part of the seed's meaning.
    WriterBatch batch = WriterBatch.open(cluster, labels, clients, pathPrefix);
    batch.finish();
    release(batch.paths());
  }

  /**
   * A DataNode stops while pipelines run through it, and comes back before it is declared dead:
   * blocks that merely lie on it show nothing and stay normal.
   */
  private void stopNode(String pathPrefix) throws IOException, InterruptedException {
    int victim = drawNode();
    String uuid = cluster.node(victim).getDatanodeUuid();
    WriterBatch batch = WriterBatch.open(cluster, labels, clients, pathPrefix);
    long firstNew = cluster.nextBlock();
    batch.hitThrough(uuid, FaultKind.DN_STOP);
    DataNodeProperties stopped = cluster.stopNode(victim);
    batch.finish();
    labels.hitUnowned(firstNew, cluster.nextBlock(), FaultKind.DN_STOP_ALLOC);
    cluster.restartNode(stopped);
    release(batch.paths());
  }

  /** Two DataNodes report no room: blocks placed on them are refused and placed anew. */
  private void fillVolumes(String pathPrefix) throws IOException {
    List<FsVolumeImpl> volumes = volumesOfTwoNodes();
    volumes.forEach(volume -> volume.setCapacityForTesting(4096));
    long firstNew = cluster.nextBlock();
    for (int i = 0; i < FULL_VOLUME_FILES; i++) {
      Path path = new Path(pathPrefix + i);
      writeOnce(clients[i % CLIENTS], path, 20000 + random.nextInt(80000));
      release(List.of(path));
    }
    labels.hitUnowned(firstNew, cluster.nextBlock(), FaultKind.FULL_VOLUME);
    volumes.forEach(volume -> volume.setCapacityForTesting(-1));
    Nap.millis(2500);
    cluster.heal();
  }

  private List<FsVolumeImpl> volumesOfTwoNodes() throws IOException {
    Set<Integer> nodes = new TreeSet<>();
    while (nodes.size() < 2) {
      nodes.add(drawNode());
    }
    List<FsVolumeImpl> volumes = new ArrayList<>();
    for (int node : nodes) {
      try (var references = cluster.node(node).getFSDataset().getFsVolumeReferences()) {
        for (FsVolumeSpi volume : references) {
          volumes.add((FsVolumeImpl) volume);
        }
      }
    }
    return volumes;
  }

  private void writeOnce(DistributedFileSystem fs, Path path, int length) throws IOException {
    try (FSDataOutputStream out = WriterBatch.create(fs, path)) {
      out.write(new byte[length]);
    } catch (IOException e) {
      System.err.println("full volume: " + e.getMessage());
    }
    labels.own(cluster.blocksOf(fs, path));
  }

  /**
   * A DataNode stays away until it is declared dead, and its blocks get new copies. Whether such a
   * block is faulty is a matter of taste, so they are marked as ambiguous.
   */
  void loseNode() throws IOException {
    int victim = drawNode();
    for (ReplicaInfo replica :
        FsDatasetTestUtil.getReplicas(cluster.node(victim).getFSDataset(), cluster.blockPool())) {
      labels.setAmbiguous(replica.getBlockId(), "dn_dead_rereplicated");
    }
    DataNodeProperties stopped = cluster.stopNode(victim);
    Nap.millis(DEAD_MILLIS);
    cluster.heal();
    cluster.restartNode(stopped);
  }

  private int drawNode() {
    return random.nextInt(Cluster.NODES);
  }

  /** Gives the files to the background readers, until the next round deletes them. */
  private void release(List<Path> paths) {
    paths.forEach(live::add);
    leftOver.addAll(paths);
  }
}
