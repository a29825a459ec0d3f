package knothole.hdfs;

import java.net.InetAddress;
import org.apache.log4j.LogManager;

/** Runs the whole show and writes the labels; the log file is log4j's business. */
public final class Main {
  private static final int QUIET_MILLIS = 4500;
  private static final int LAST_WORDS_MILLIS = 8000;

  private final long startMillis = System.currentTimeMillis();
  private final Settings settings;
  private final Labels labels = new Labels();
  private final PlannedFaults plans = new PlannedFaults();

  private Main(Settings settings) {
    this.settings = settings;
  }

  public static void main(String[] args) {
    int status = 1;
    try {
      new Main(Settings.parse(args)).run();
      status = 0;
    } catch (Exception e) {
      e.printStackTrace();
    }
    LogManager.shutdown();
    // Halt, not exit: an orderly shutdown would write lines into blocks that are still open.
    Runtime.getRuntime().halt(status);
  }

  private void run() throws Exception {
    String host = InetAddress.getLocalHost().getHostName();
    NeutralLayout.hide(settings.clusterDir().getPath(), host);
    Cluster cluster = Cluster.start(settings.clusterDir(), plans, labels);
    Workload workload = new Workload(settings, cluster, labels, plans);
    workload.start();
    failNodes(workload);
    workload.awaitClients();
    Nap.millis(LAST_WORDS_MILLIS);
    workload.stopReaders();
    cluster.heal();
    labels.write(
        settings.outDir().toPath().resolve("labels.tsv"), Cluster.FIRST_BLOCK, cluster.nextBlock());
    say("done: %d blocks, %d faulty", cluster.blocksMade(), labels.faulty());
  }

  private void failNodes(Workload workload) throws Exception {
    NodeFaults faults = new NodeFaults(workload);
    for (int round = 0; round < settings.nodeRounds(); round++) {
      workload.awaitFiles(settings.filesBeforeRound(round));
      workload.pauseLock().lock();
      try {
        Nap.millis(QUIET_MILLIS);
        say(
            "round %d: %d blocks, %d files",
            round, workload.cluster().blocksMade(), workload.filesDone());
        faults.round(round);
        if (round == settings.nodeRounds() - 1) {
          faults.loseNode();
        }
      } finally {
        workload.pauseLock().unlock();
      }
    }
  }

  private void say(String format, Object... values) {
    long seconds = (System.currentTimeMillis() - startMillis) / 1000;
    System.err.println(seconds + " s, " + String.format(format, values));
  }
}
