/**
 * Runs a real HDFS (one NameNode, seven DataNodes, one JVM), drives it with a seeded workload,
 * injects faults, and writes one log file and a label for every block by what was done to it.
 *
 * <pre>
 * Main ─ Settings
 *  ├─ Cluster ─────── NeutralLayout     the log file: one event a line, no trace of the machine
 *  │   ├─ NoticeTap                     faults in the talk between DataNode and NameNode
 *  │   └─ PipelineHooks                 faults inside a DataNode's write pipeline
 *  ├─ Workload ─ Client ─ FileFate      what the writers do; every file's fate hangs on the seed
 *  │   │          ├─ ReplicaFaults      faults of one stored replica
 *  │   │          └─ WriterFaults       faults of the writing process
 *  │   └─ BackgroundReader ─ LiveFiles
 *  ├─ NodeFaults                        faults of whole DataNodes, while the writers pause
 *  ├─ PlannedFaults                     which block is to meet which fault
 *  └─ Labels                            what was done to which block
 * </pre>
 */
package knothole.hdfs;
