package knothole.hdfs;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * The faults. The order of the drawn ones is part of the seed's meaning: a client draws by index,
 * so a new kind belongs at the end of them and gives other data for old seeds.
 */
enum FaultKind {
  NONE(Target.NOTHING),
  /** Bytes of a replica overwritten, then read. */
  CORRUPT_READ(Target.REPLICA),
  /** Bytes of a replica overwritten, found by the volume scanner. */
  CORRUPT_SCAN(Target.REPLICA),
  /** Replica file removed, found by a read or by the directory scanner. */
  LOST_FILE(Target.REPLICA),
  /** Writer dies in the middle; its lease is recovered. */
  CLIENT_DEATH(Target.WRITER),
  /** Connection to the next DataNode of a pipeline refused. */
  MIRROR_REFUSED(Target.PIPELINE),
  /** One "block received" notice never reaches the NameNode. */
  LOST_ACK(Target.OPEN_BLOCK),
  /** One notice comes late, mostly past a read. */
  LATE_ACK(Target.OPEN_BLOCK),
  /** One notice comes twice. */
  DUP_ACK(Target.OPEN_BLOCK),
  /** The order to delete one replica never reaches its DataNode. */
  LOST_DELETE(Target.OPEN_BLOCK),
  /** A DataNode deletes a healthy replica unasked. */
  ROGUE_DELETE(Target.REPLICA),
  /** Writer stops for good with the block open. */
  HUNG_WRITER(Target.WRITER),
  /** The last DataNode of a pipeline holds back its final answer. */
  SLOW_ACK(Target.OPEN_BLOCK),
  /** A DataNode of the block's open pipeline stops. */
  DN_STOP(Target.NODE),
  /** Block first placed on the stopped DataNode and given up. */
  DN_STOP_ALLOC(Target.NODE),
  /** Block placed on a DataNode without room and given up. */
  FULL_VOLUME(Target.NODE);

  /** What a fault is aimed at, which decides who injects it and when. */
  enum Target { NOTHING, REPLICA, WRITER, PIPELINE, OPEN_BLOCK, NODE }

  private static final List<FaultKind> DRAWN =
      Arrays.stream(values())
          .filter(kind -> kind.target != Target.NOTHING && kind.target != Target.NODE)
          .toList();
  private static final List<FaultKind> LOUD =
      List.of(CORRUPT_READ, CORRUPT_SCAN, LOST_FILE, CLIENT_DEATH, MIRROR_REFUSED);

  final Target target;

  FaultKind(Target target) {
    this.target = target;
  }

  /** The kinds that a file can draw; whole nodes fail by their own timetable. */
  static List<FaultKind> drawn() {
    return DRAWN;
  }

  /** Whether the log says so in words of its own. */
  boolean isLoud() {
    return LOUD.contains(this);
  }

  /** The name in the labels file. */
  String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
