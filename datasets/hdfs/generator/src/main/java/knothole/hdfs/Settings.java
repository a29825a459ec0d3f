package knothole.hdfs;

import java.io.File;

/**
 * What one run is made of.
 *
 * @param outDir where the log, the labels and the cluster's own files go
 * @param filesPerClient files written by each of the {@link Workload#CLIENTS} clients
 * @param faultRate share of the files that a fault is drawn for
 * @param seed decides every file's size, operations and fault
 * @param nodeRounds how often whole DataNodes fail
 */
record Settings(File outDir, int filesPerClient, double faultRate, long seed, int nodeRounds) {
  static final String USAGE = "OUTDIR FILES FAULT_RATE SEED NODE_ROUNDS";

  static Settings parse(String[] args) {
    if (args.length != 5) {
      throw new IllegalArgumentException("expected " + USAGE);
    }
    return new Settings(
        new File(args[0]).getAbsoluteFile(),
        Integer.parseInt(args[1]) / Workload.CLIENTS,
        Double.parseDouble(args[2]),
        Long.parseLong(args[3]),
        Integer.parseInt(args[4]));
  }

  /** Where the DataNodes and the NameNode keep their files during the run. */
  File clusterDir() {
    return new File(outDir, "dfs");
  }

  /** The fifth at the start of each client's files that no fault may touch: data to learn from. */
  int faultFreeFiles() {
    return filesPerClient / 5;
  }

  /** Node faults come at even distances between 30 % and 80 % of the files. */
  long filesBeforeRound(int round) {
    return (long) (filesPerClient * Workload.CLIENTS * (0.30 + 0.50 * round / nodeRounds));
  }
}
