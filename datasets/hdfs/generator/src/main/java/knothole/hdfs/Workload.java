package knothole.hdfs;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/** The writing clients and the background readers, and what they share. */
final class Workload {
  static final int CLIENTS = 6;
  private static final int READERS = 2;

  private final Settings settings;
  private final Cluster cluster;
  private final Labels labels;
  private final PlannedFaults plans;
  private final LiveFiles live = new LiveFiles();
  private final AtomicInteger filesDone = new AtomicInteger();
  private final ReadWriteLock writing = new ReentrantReadWriteLock(true);
  private final List<Client> clients = new ArrayList<>();
  private final List<BackgroundReader> readers = new ArrayList<>();

  Workload(Settings settings, Cluster cluster, Labels labels, PlannedFaults plans) {
    this.settings = settings;
    this.cluster = cluster;
    this.labels = labels;
    this.plans = plans;
  }

  void start() throws IOException {
    for (int i = 0; i < CLIENTS; i++) {
      clients.add(new Client(i, this));
    }
    for (int i = 0; i < READERS; i++) {
      readers.add(new BackgroundReader(i, settings, cluster, live));
    }
    readers.forEach(Thread::start);
    clients.forEach(Thread::start);
  }

  Settings settings() {
    return settings;
  }

  Cluster cluster() {
    return cluster;
  }

  Labels labels() {
    return labels;
  }

  PlannedFaults plans() {
    return plans;
  }

  LiveFiles live() {
    return live;
  }

  void countFile() {
    filesDone.incrementAndGet();
  }

  int filesDone() {
    return filesDone.get();
  }

  void awaitFiles(long files) {
    while (filesDone.get() < files) {
      Nap.millis(100);
    }
  }

  /** Held by a client while it works on one file. */
  Lock writerLock() {
    return writing.readLock();
  }

  /** Held while nodes fail: every client stops between two files. Readers go on. */
  Lock pauseLock() {
    return writing.writeLock();
  }

  void awaitClients() throws InterruptedException {
    for (Client client : clients) {
      client.join();
    }
  }

  void stopReaders() {
    readers.forEach(BackgroundReader::stopReading);
  }
}
