package knothole.hdfs;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.protocol.Block;
import org.apache.hadoop.hdfs.protocolPB.DatanodeProtocolClientSideTranslatorPB;
import org.apache.hadoop.hdfs.server.protocol.BlockCommand;
import org.apache.hadoop.hdfs.server.protocol.DatanodeCommand;
import org.apache.hadoop.hdfs.server.protocol.DatanodeProtocol;
import org.apache.hadoop.hdfs.server.protocol.DatanodeRegistration;
import org.apache.hadoop.hdfs.server.protocol.HeartbeatResponse;
import org.apache.hadoop.hdfs.server.protocol.ReceivedDeletedBlockInfo;
import org.apache.hadoop.hdfs.server.protocol.ReceivedDeletedBlockInfo.BlockStatus;
import org.apache.hadoop.hdfs.server.protocol.SlowDiskReports;
import org.apache.hadoop.hdfs.server.protocol.SlowPeerReports;
import org.apache.hadoop.hdfs.server.protocol.StorageReceivedDeletedBlocks;
import org.apache.hadoop.hdfs.server.protocol.StorageReport;
import org.apache.hadoop.hdfs.server.protocol.VolumeFailureSummary;

/**
 * Sits between a DataNode and the NameNode: drops, delays or doubles single "block received"
 * notices, and loses single orders to delete. All else passes unchanged.
 *
 * <p>The "block deleted" notice is left alone: a DataNode sends it for surplus copies only, so
 * dropping it would seldom hit.
 */
final class NoticeTap extends DatanodeProtocolClientSideTranslatorPB {
  private static final ScheduledExecutorService LATER =
      Executors.newScheduledThreadPool(
          4,
          task -> {
            Thread thread = new Thread(task, "late notices");
            thread.setDaemon(true);
            return thread;
          });

  private final PlannedFaults plans;
  private final Labels labels;

  NoticeTap(InetSocketAddress nameNode, Configuration conf, PlannedFaults plans, Labels labels)
      throws IOException {
    super(nameNode, conf);
    this.plans = plans;
    this.labels = labels;
  }

  @Override
  public void blockReceivedAndDeleted(
      DatanodeRegistration node, String pool, StorageReceivedDeletedBlocks[] reports)
      throws IOException {
    List<StorageReceivedDeletedBlocks> passed = new ArrayList<>();
    for (StorageReceivedDeletedBlocks report : reports) {
      List<ReceivedDeletedBlockInfo> kept = new ArrayList<>();
      for (ReceivedDeletedBlockInfo notice : report.getBlocks()) {
        if (passesNow(node, pool, report, notice)) {
          kept.add(notice);
        }
      }
      if (!kept.isEmpty()) {
        passed.add(only(report, kept));
      }
    }
    if (!passed.isEmpty()) {
      super.blockReceivedAndDeleted(
          node, pool, passed.toArray(new StorageReceivedDeletedBlocks[0]));
    }
  }

  private boolean passesNow(
      DatanodeRegistration node,
      String pool,
      StorageReceivedDeletedBlocks report,
      ReceivedDeletedBlockInfo notice) {
    if (notice.getStatus() != BlockStatus.RECEIVED_BLOCK) {
      return true;
    }
    long block = notice.getBlock().getBlockId();
    var plan = plans.take(block, FaultKind.LOST_ACK, FaultKind.LATE_ACK, FaultKind.DUP_ACK);
    if (plan.isEmpty()) {
      return true;
    }
    FaultKind kind = plan.get().kind();
    labels.hit(block, kind);
    if (kind != FaultKind.LOST_ACK) {
      sendLater(node, pool, only(report, List.of(notice)), plan.get().delayMillis());
    }
    return kind == FaultKind.DUP_ACK;
  }

  private void sendLater(
      DatanodeRegistration node, String pool, StorageReceivedDeletedBlocks report, long delay) {
    StorageReceivedDeletedBlocks[] one = {report};
    LATER.schedule(
        () -> {
          try {
            super.blockReceivedAndDeleted(node, pool, one);
          } catch (IOException | RuntimeException e) {
            System.err.println("late notice: " + e);
          }
        },
        delay,
        TimeUnit.MILLISECONDS);
  }

  private static StorageReceivedDeletedBlocks only(
      StorageReceivedDeletedBlocks report, List<ReceivedDeletedBlockInfo> notices) {
    return new StorageReceivedDeletedBlocks(
        report.getStorage(), notices.toArray(new ReceivedDeletedBlockInfo[0]));
  }

  // The parameters are those of the method overridden here.
  @Override
  public HeartbeatResponse sendHeartbeat(
      DatanodeRegistration node,
      StorageReport[] reports,
      long cacheCapacity,
      long cacheUsed,
      int transfers,
      int connections,
      int failedVolumes,
      VolumeFailureSummary failures,
      boolean wantsLease,
      SlowPeerReports slowPeers,
      SlowDiskReports slowDisks)
      throws IOException {
    HeartbeatResponse response =
        super.sendHeartbeat(
            node, reports, cacheCapacity, cacheUsed, transfers, connections, failedVolumes,
            failures, wantsLease, slowPeers, slowDisks);
    DatanodeCommand[] commands = response.getCommands();
    for (int i = 0; i < commands.length; i++) {
      if (commands[i].getAction() == DatanodeProtocol.DNA_INVALIDATE) {
        commands[i] = withoutLostDeletes((BlockCommand) commands[i]);
      }
    }
    return response;
  }

  private BlockCommand withoutLostDeletes(BlockCommand command) {
    List<Block> kept = new ArrayList<>();
    for (Block block : command.getBlocks()) {
      if (plans.take(block.getBlockId(), FaultKind.LOST_DELETE).isPresent()) {
        labels.hit(block.getBlockId(), FaultKind.LOST_DELETE);
      } else {
        kept.add(block);
      }
    }
    if (kept.size() == command.getBlocks().length) {
      return command;
    }
    return new BlockCommand(
        command.getAction(), command.getBlockPoolId(), kept.toArray(new Block[0]));
  }
}
