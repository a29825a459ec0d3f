package knothole.hdfs;

/** Sleep without the checked exception. */
final class Nap {
  private Nap() {}

  static void millis(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
