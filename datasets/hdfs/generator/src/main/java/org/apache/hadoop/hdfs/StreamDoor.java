package org.apache.hadoop.hdfs;

import java.io.IOException;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.hdfs.client.HdfsDataOutputStream;
import org.apache.hadoop.hdfs.protocol.DatanodeInfo;
import org.apache.hadoop.hdfs.protocol.ExtendedBlock;

/**
 * Reaches what an open file's stream shows to its own package only. It lives in Hadoop's package
 * for that reason alone and decides nothing.
 */
public final class StreamDoor {
  private StreamDoor() {}

  /** The block being written, or null between two blocks. */
  public static ExtendedBlock openBlock(FSDataOutputStream out) {
    return raw(out).getBlock();
  }

  /** The DataNodes that the open block is being written to. */
  public static DatanodeInfo[] pipeline(FSDataOutputStream out) {
    return raw(out).getPipeline();
  }

  /** What the death of the client's process does: sockets closed, nothing completed. */
  public static void abort(FSDataOutputStream out) throws IOException {
    raw(out).abort();
  }

  private static DFSOutputStream raw(FSDataOutputStream out) {
    return (DFSOutputStream) ((HdfsDataOutputStream) out).getWrappedStream();
  }
}
