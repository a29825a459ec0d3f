package knothole.hdfs;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.StreamDoor;
import org.apache.hadoop.hdfs.protocol.ExtendedBlock;

/**
 * One writing client: makes a file, reads it, does something with an older one, deletes the
 * oldest. Append, truncate and changes of replication make block recovery and copying part of
 * normal life, so that such lines alone give no fault away.
 */
final class Client extends Thread {
  private static final int KEPT_MAX = 12;
  private static final int KEPT_MIN = 6;

  private final int number;
  private final Settings settings;
  private final Workload workload;
  private final Cluster cluster;
  private final Labels labels;
  private final PlannedFaults plans;
  private final LiveFiles live;
  private final DistributedFileSystem fs;
  private final Random random;
  private final Filler filler;
  private final ReplicaFaults replicaFaults;
  private final WriterFaults writerFaults;
  private final Deque<Path> mine = new ArrayDeque<>();

  Client(int number, Workload workload) throws IOException {
    this.number = number;
    this.workload = workload;
    settings = workload.settings();
    cluster = workload.cluster();
    labels = workload.labels();
    plans = workload.plans();
    live = workload.live();
    fs = cluster.newClient();
    random = new Random(settings.seed() * 1000 + number);
    filler = new Filler(random);
    replicaFaults = new ReplicaFaults(cluster, labels, fs, random);
    writerFaults = new WriterFaults(cluster, labels, fs, random, filler);
  }

  @Override
  public void run() {
    for (int file = 0; file < settings.filesPerClient(); file++) {
      // Every file's fate depends on seed, client and number only, whatever happened before.
      random.setSeed((settings.seed() * 1000 + number) * 1000003L + file);
      workload.writerLock().lock();
      try {
        makeFile(file);
      } catch (Exception | AssertionError e) { // Hadoop's test classes assert; go on in any case.
        System.err.println("client " + number + ", file " + file + ": " + e);
      } finally {
        workload.writerLock().unlock();
      }
      workload.countFile();
    }
  }

  private void makeFile(int file) throws IOException {
    FileFate fate = FileFate.draw(random, file, settings);
    Path path = new Path("/user/u" + number + "/f" + file);
    if (fate.fault().target == FaultKind.Target.WRITER) {
      loseWriter(path, fate);
      return;
    }
    write(path, fate);
    keep(path);
    readBack(path, fate);
    if (fate.fault().target == FaultKind.Target.REPLICA) {
      replicaFaults.inject(path, fate.fault());
    }
    touchOldest();
    deleteSurplus();
  }

  private void loseWriter(Path path, FileFate fate) throws IOException {
    if (writerFaults.inject(path, fate)) {
      keep(path);
      if (chance(0.5)) {
        Reads.whole(fs, path);
      }
    }
  }

  private void write(Path path, FileFate fate) throws IOException {
    if (fate.fault() == FaultKind.MIRROR_REFUSED) {
      plans.planRefusal();
    }
    long middle = random.nextInt((int) fate.length());
    try (FSDataOutputStream out = fate.create(fs, path)) {
      if (fate.fault().target == FaultKind.Target.OPEN_BLOCK || chance(0.25)) {
        filler.fill(out, middle + 1);
        out.hflush();
        aimAtOpenBlock(out, fate.fault());
        filler.fill(out, fate.length() - middle - 1);
      } else {
        filler.fill(out, fate.length());
      }
    }
    labels.own(cluster.blocksOf(fs, path));
  }

  /** Plans the fault for the block that is open now. */
  private void aimAtOpenBlock(FSDataOutputStream out, FaultKind fault) {
    ExtendedBlock block = StreamDoor.openBlock(out);
    if (fault == FaultKind.NONE || block == null) {
      return;
    }
    // A late notice must come before the file's deletion, else it gives a line of its own.
    // The delay is drawn for faults that need none, too: the draws are the seed's meaning.
    long delayMillis =
        fault == FaultKind.SLOW_ACK ? 1500 + random.nextInt(2500) : 250 + random.nextInt(700);
    if (fault.target == FaultKind.Target.OPEN_BLOCK) {
      plans.plan(block.getBlockId(), fault, delayMillis);
    }
  }

  private void readBack(Path path, FileFate fate) throws IOException {
    if (chance(fate.fault() == FaultKind.LATE_ACK ? 0.8 : 0.3)) {
      Reads.whole(fs, path);
    }
    if (chance(0.3)) {
      Reads.range(fs, path, random.nextInt((int) fate.length()), 1);
    }
  }

  private void touchOldest() throws IOException {
    Path path = mine.peekFirst();
    double drawn = random.nextDouble();
    if (drawn < 0.10) {
      live.withdraw(path);
      append(path);
      live.add(path);
    } else if (drawn < 0.20) {
      fs.setReplication(path, (short) (2 + random.nextInt(3)));
    } else if (drawn < 0.25) {
      rename(path);
    } else if (drawn < 0.30) {
      live.withdraw(path);
      truncate(path);
      live.add(path);
    } else if (drawn < 0.50) {
      Reads.whole(fs, path);
    }
    if (chance(0.3)) {
      mine.addLast(mine.removeFirst());
    }
  }

  private void append(Path path) throws IOException {
    try (FSDataOutputStream out = fs.append(path)) {
      filler.fill(out, 1 + random.nextInt(60000));
    }
    labels.own(cluster.blocksOf(fs, path));
  }

  private void rename(Path path) throws IOException {
    Path renamed = new Path(path + "r");
    if (fs.rename(path, renamed)) {
      mine.removeFirst();
      mine.addFirst(renamed);
      live.remove(path);
      live.add(renamed);
    }
  }

  private void truncate(Path path) throws IOException {
    long length = fs.getFileStatus(path).getLen();
    if (length <= 2) {
      return;
    }
    boolean done = fs.truncate(path, 1 + random.nextInt((int) length - 1));
    for (int i = 0; !done && i < 100; i++) {
      Nap.millis(100);
      done = fs.isFileClosed(path);
    }
  }

  private void keep(Path path) {
    live.add(path);
    mine.add(path);
  }

  private void deleteSurplus() throws IOException {
    while (mine.size() > KEPT_MAX || (mine.size() > KEPT_MIN && chance(0.5))) {
      Path oldest = mine.removeFirst();
      live.remove(oldest);
      fs.delete(oldest, false);
    }
  }

  private boolean chance(double probability) {
    return random.nextDouble() < probability;
  }
}
