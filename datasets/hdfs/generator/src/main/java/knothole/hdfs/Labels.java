package knothole.hdfs;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.hadoop.hdfs.protocol.LocatedBlock;

/**
 * What was done to which block. A fault is noted by the code that does it, when it is done, and
 * never read back from the log: the log is what detectors are judged by.
 */
final class Labels {
  private record Fault(FaultKind kind, Instant time) {}

  private final Map<Long, Fault> faults = new ConcurrentHashMap<>();
  private final Map<Long, String> ambiguous = new ConcurrentHashMap<>();
  private final Set<Long> owned = ConcurrentHashMap.newKeySet();

  /** Notes a fault; the first one of a block counts. */
  void hit(long block, FaultKind kind) {
    faults.putIfAbsent(block, new Fault(kind, Instant.now()));
  }

  boolean isFaulty(long block) {
    return faults.containsKey(block);
  }

  int faulty() {
    return faults.size();
  }

  /** Notes that these blocks belong to a file. */
  void own(List<LocatedBlock> blocks) {
    for (LocatedBlock block : blocks) {
      owned.add(block.getBlock().getBlockId());
    }
  }

  /**
   * Notes a fault for the ids in this range that belong to no file: blocks given up and placed
   * anew. That holds only while no client writes.
   */
  void hitUnowned(long from, long to, FaultKind kind) {
    for (long block = from; block < to; block++) {
      if (!owned.contains(block)) {
        hit(block, kind);
      }
    }
  }

  /** Notes a block that is neither clearly normal nor clearly faulty. */
  void setAmbiguous(long block, String why) {
    ambiguous.put(block, why);
  }

  /** Writes one line a block: id, N, A or X, kind of fault, time. */
  void write(Path file, long from, long to) throws IOException {
    try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(file))) {
      for (long block = from; block < to; block++) {
        out.print("blk_" + block + "\t" + verdict(block) + "\n");
      }
    }
  }

  private String verdict(long block) {
    Fault fault = faults.get(block);
    if (fault != null) {
      return "A\t" + fault.kind.label() + "\t" + fault.time;
    }
    if (ambiguous.containsKey(block)) {
      return "X\t" + ambiguous.get(block) + "\t-";
    }
    return owned.contains(block) ? "N\t-\t-" : "X\tunowned\t-";
  }
}
