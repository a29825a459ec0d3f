package knothole.hdfs;

import java.util.regex.Pattern;
import org.apache.log4j.PatternLayout;
import org.apache.log4j.spi.LoggingEvent;

/**
 * One event a line, without a trace of the machine: paths below the cluster's directory, the host's
 * name and the address inside the block pool's id become neutral before they reach the file.
 */
public final class NeutralLayout extends PatternLayout {
  private static final Pattern NEVER = Pattern.compile("(?!)");
  private static final Pattern LINE_BREAKS = Pattern.compile("\\s*[\\r\\n]+\\s*");
  private static final Pattern BLOCK_POOL = Pattern.compile("BP-(\\d+)-[0-9.]+-(\\d+)");

  private static volatile Pattern clusterDir = NEVER;
  private static volatile Pattern hostName = NEVER;

  /** Sets what is to be hidden. Log4j makes the layout itself, so it cannot be an argument. */
  static void hide(String directory, String host) {
    clusterDir = Pattern.compile(Pattern.quote(directory));
    hostName = Pattern.compile("(?<![A-Za-z0-9])" + Pattern.quote(host) + "(?![A-Za-z0-9])");
  }

  /** False: the stack trace is ours to shorten, not the appender's to print in full. */
  @Override
  public boolean ignoresThrowable() {
    return false;
  }

  @Override
  public String format(LoggingEvent event) {
    String line = clusterDir.matcher(withFirstTraceLine(event)).replaceAll("/data/dfs");
    line = hostName.matcher(line).replaceAll("localhost");
    line = LINE_BREAKS.matcher(line).replaceAll(" | ");
    return BLOCK_POOL.matcher(line).replaceAll("BP-$1-127.0.0.1-$2") + "\n";
  }

  private String withFirstTraceLine(LoggingEvent event) {
    String[] trace = event.getThrowableStrRep();
    String line = super.format(event);
    return trace == null || trace.length == 0 ? line : line + " | " + trace[0];
  }
}
