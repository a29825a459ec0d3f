package knothole.hdfs;

import java.io.IOException;
import java.net.ConnectException;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.hdfs.server.datanode.DataNodeFaultInjector;

/**
 * Faults inside a DataNode's write pipeline. Hadoop's hooks name no block, but the thread that
 * calls them carries it in its name.
 */
final class PipelineHooks extends DataNodeFaultInjector {
  private static final Pattern BLOCK = Pattern.compile("blk_(\\d+)");

  private final PlannedFaults plans;
  private final Labels labels;

  PipelineHooks(PlannedFaults plans, Labels labels) {
    this.plans = plans;
    this.labels = labels;
  }

  @Override
  public void failMirrorConnection() throws IOException {
    if (!plans.takeRefusal()) {
      return;
    }
    blockOfThread().ifPresent(block -> labels.hit(block, FaultKind.MIRROR_REFUSED));
    throw new ConnectException("Connection refused");
  }

  @Override
  public void delayAckLastPacket() throws IOException {
    OptionalLong block = blockOfThread();
    if (block.isEmpty()) {
      return;
    }
    plans
        .take(block.getAsLong(), FaultKind.SLOW_ACK)
        .ifPresent(
            plan -> {
              labels.hit(block.getAsLong(), plan.kind());
              Nap.millis(plan.delayMillis());
            });
  }

  private static OptionalLong blockOfThread() {
    Matcher name = BLOCK.matcher(Thread.currentThread().getName());
    return name.find() ? OptionalLong.of(Long.parseLong(name.group(1))) : OptionalLong.empty();
  }
}
