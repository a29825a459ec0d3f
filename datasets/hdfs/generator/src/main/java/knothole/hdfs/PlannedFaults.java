package knothole.hdfs;

import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Faults waiting for their moment. Clients plan them; the hooks inside the cluster take them, each
 * once, when the block comes by.
 */
final class PlannedFaults {
  /** One fault of one block; what the delay is for depends on the kind. */
  record Plan(FaultKind kind, long delayMillis) {}

  private final Map<Long, Plan> byBlock = new ConcurrentHashMap<>();
  private final AtomicInteger refusals = new AtomicInteger();

  void plan(long block, FaultKind kind, long delayMillis) {
    byBlock.put(block, new Plan(kind, delayMillis));
  }

  /** Takes the block's plan if it is of one of these kinds; nobody else gets it afterwards. */
  Optional<Plan> take(long block, FaultKind... kinds) {
    Plan plan = byBlock.get(block);
    boolean taken =
        plan != null && Arrays.asList(kinds).contains(plan.kind) && byBlock.remove(block, plan);
    return taken ? Optional.of(plan) : Optional.empty();
  }

  /** Asks for the next connection inside a pipeline to be refused, whichever block it is for. */
  void planRefusal() {
    refusals.incrementAndGet();
  }

  boolean takeRefusal() {
    return refusals.getAndUpdate(waiting -> Math.max(0, waiting - 1)) > 0;
  }
}
