package org.apache.hadoop.hdfs.server.datanode;

import java.io.IOException;
import org.apache.hadoop.hdfs.protocol.ExtendedBlock;
import org.apache.hadoop.hdfs.protocolPB.DatanodeProtocolClientSideTranslatorPB;
import org.apache.hadoop.hdfs.server.datanode.fsdataset.FsVolumeSpi;

/**
 * Reaches what a DataNode shows to its own package only. It lives in Hadoop's package for that
 * reason alone and decides nothing.
 */
public final class DataNodeDoor {
  private DataNodeDoor() {}

  /** Makes a connection from a DataNode to the NameNode. */
  public interface ProxyMaker {
    DatanodeProtocolClientSideTranslatorPB make() throws IOException;
  }

  /** Replaces the DataNode's connections to the NameNode, except those already of this type. */
  public static void replaceNameNodeProxy(
      DataNode node, Class<? extends DatanodeProtocolClientSideTranslatorPB> type, ProxyMaker maker)
      throws IOException {
    for (BPOfferService service : node.getAllBpOs()) {
      for (BPServiceActor actor : service.getBPServiceActors()) {
        if (!type.isInstance(actor.getNameNodeProxy())) {
          actor.setNameNode(maker.make());
        }
      }
    }
  }

  /** Puts a block at the head of the volume scanner's list. */
  public static void scanSoon(DataNode node, ExtendedBlock block) throws IOException {
    try (var volumes = node.getFSDataset().getFsVolumeReferences()) {
      for (FsVolumeSpi volume : volumes) {
        node.getBlockScanner().markSuspectBlock(volume.getStorageID(), block);
      }
    }
  }
}
