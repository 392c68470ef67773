import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.h2.jdbc.JdbcConnection;
import org.h2.value.Value;

/**
 * H2 behind a socket: one session a connection, one answer a question. It ends with its standard input, so it never
 * outlives the process that started it. The functions below are what Transact-SQL has and H2 has not; `dialect.ts`
 * writes them into statements.
 */
public class Engine {
  private static final Map<Integer, Statement> running = new ConcurrentHashMap<>();
  private static final AtomicInteger sessions = new AtomicInteger();
  private static final int stringMax = 1_000_000;

  public static void main(String[] args) throws Exception {
    org.h2.util.JdbcUtils.addClassFactory(new OwnClasses());
    ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    System.out.println(server.getLocalPort());
    Thread end = new Thread(() -> {
      try {
        while (System.in.read() >= 0) {}
      } catch (IOException error) {
        // As good as its end.
      }
      System.exit(0);
    });
    end.setDaemon(true);
    end.start();
    while (true) {
      Socket socket = server.accept();
      socket.setTcpNoDelay(true);
      new Thread(() -> serve(socket)).start();
    }
  }

  private static void serve(Socket socket) {
    int id = sessions.incrementAndGet();
    Connection connection = null;
    try (socket;
        DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(socket.getOutputStream(), 65536))) {
      while (true) {
        int operation = in.read();
        if (operation < 0) break;
        try {
          switch (operation) {
            case 'O' -> {
              connection = DriverManager.getConnection(text(in), text(in), text(in));
              out.write('I');
              out.writeInt(id);
            }
            case 'Q' -> ask(id, connection, in, out);
            case 'X' -> {
              Statement statement = running.get(in.readInt());
              if (statement != null) statement.cancel();
              out.write('K');
            }
            case 'B' -> {
              connection.setAutoCommit(false);
              out.write('K');
            }
            case 'C', 'R' -> {
              if (operation == 'C') connection.commit();
              else connection.rollback();
              connection.setAutoCommit(true);
              settle(connection);
              out.write('K');
            }
            default -> throw new IOException("unknown operation " + operation);
          }
        } catch (SQLException error) {
          out.write('E');
          out.writeInt(error.getErrorCode());
          write(out, String.valueOf(error.getMessage()));
        }
        out.flush();
      }
    } catch (IOException error) {
      // The other side has hung up.
    } finally {
      try {
        if (connection != null) {
          settle(connection);
          connection.close();
        }
      } catch (SQLException error) {
        // It is gone either way.
      }
    }
  }

  private static void ask(int id, Connection connection, DataInputStream in, DataOutputStream out)
      throws IOException, SQLException {
    String sql = text(in);
    String[] parameters = new String[in.readInt()];
    for (int at = 0; at < parameters.length; at++) parameters[at] = in.read() == 0 ? null : text(in);
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int at = 0; at < parameters.length; at++) {
        String value = parameters[at];
        if (value != null && value.length() > stringMax) statement.setCharacterStream(at + 1, new StringReader(value));
        else statement.setString(at + 1, value);
      }
      running.put(id, statement);
      boolean hasRows;
      try {
        hasRows = statement.execute();
      } finally {
        running.remove(id);
        if (connection.getAutoCommit()) settle(connection);
      }
      if (!hasRows) {
        out.write('U');
        out.writeInt(statement.getUpdateCount());
        return;
      }
      try (ResultSet rows = statement.getResultSet()) {
        writeRows(rows, out);
      }
    }
  }

  private static void writeRows(ResultSet rows, DataOutputStream out) throws IOException, SQLException {
    // Gathered first: an error in the middle must not follow half an answer.
    ByteArrayOutputStream gathered = new ByteArrayOutputStream();
    DataOutputStream cells = new DataOutputStream(gathered);
    ResultSetMetaData columns = rows.getMetaData();
    int count = columns.getColumnCount();
    while (rows.next()) {
      cells.write(1);
      for (int at = 1; at <= count; at++) {
        Object value = rows.getObject(at);
        if (value == null) cells.write(0);
        else if (value instanceof byte[] || value instanceof Blob) {
          byte[] bytes = rows.getBytes(at);
          cells.write(2);
          cells.writeInt(bytes.length);
          cells.write(bytes);
        } else {
          cells.write(1);
          write(cells, rows.getString(at));
        }
      }
    }
    cells.write(0);
    out.write('R');
    out.writeInt(count);
    for (int at = 1; at <= count; at++) {
      write(out, columns.getColumnLabel(at));
      write(out, columns.getColumnTypeName(at));
      out.writeInt((int) Math.min(columns.getPrecision(at), Integer.MAX_VALUE));
      out.writeInt(columns.getScale(at));
    }
    gathered.writeTo(out);
  }

  private static String text(DataInputStream in) throws IOException {
    return new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
  }

  private static void write(DataOutputStream out, String value) throws IOException {
    byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  /** Compiled in memory, where the engine would not look. */
  private static class OwnClasses implements org.h2.util.Utils.ClassFactory {
    @Override
    public boolean match(String name) {
      return name.startsWith("Engine");
    }

    @Override
    public Class<?> loadClass(String name) throws ClassNotFoundException {
      return Class.forName(name, true, Engine.class.getClassLoader());
    }
  }

  // CONVERT

  /** To characters, as a style has it. */
  public static String tsqlText(Value value, String type, int style) {
    String text = value.getString();
    if (text == null) return null;
    switch (nameOf(type)) {
      case "datetime", "datetime2", "smalldatetime", "time":
        return withDigits(text, digitsOf(type));
      case "datetimeoffset":
        int zone = Math.max(text.lastIndexOf('+'), text.lastIndexOf('-'));
        String offset = text.substring(zone);
        return withDigits(text.substring(0, zone), digitsOf(type)) + " " + (offset.length() == 3 ? offset + ":00" : offset);
      case "money", "smallmoney":
        return style == 2 ? value.getBigDecimal().setScale(4).toPlainString() : value.getBigDecimal().setScale(2, java.math.RoundingMode.HALF_UP).toPlainString();
      case "float", "real":
        // Without a style six digits are left.
        return style == 3
            ? String.format("%.16e", value.getDouble())
            : new java.math.BigDecimal(value.getDouble()).round(new java.math.MathContext(style == 0 ? 6 : 8 * style)).toString();
      case "bit":
        return value.getBoolean() ? "1" : "0";
      case "uniqueidentifier":
        return text.toUpperCase();
      case "binary", "varbinary", "timestamp", "rowversion": {
        StringBuilder hex = new StringBuilder(style == 1 ? "0x" : "");
        for (byte each : value.getBytes()) hex.append(String.format("%02X", each));
        return hex.toString();
      }
      default:
        return text;
    }
  }

  /** To bytes: of characters as the column holds them, of digits with style 1. */
  public static byte[] tsqlBytes(Value value, String type, int style) {
    switch (nameOf(type)) {
      case "binary", "varbinary", "timestamp", "rowversion":
        return value.getBytes();
      case "varchar", "char":
        if (style == 0) return value.getString().getBytes(StandardCharsets.ISO_8859_1);
      // Fall through: digits.
      default: {
        String text = value.getString();
        if (text == null) return null;
        if (style == 0) return text.getBytes(StandardCharsets.UTF_16LE);
        byte[] bytes = new byte[(text.length() - 2) / 2];
        for (int at = 0; at < bytes.length; at++) bytes[at] = (byte) Integer.parseInt(text.substring(2 + at * 2, 4 + at * 2), 16);
        return bytes;
      }
    }
  }

  /** A DATETIME counts three hundredths of a second, a SMALLDATETIME minutes. */
  public static LocalDateTime tsqlRounded(LocalDateTime moment, String type) {
    if (moment == null) return null;
    if (nameOf(type).equals("smalldatetime")) {
      long seconds = moment.getSecond() + (moment.getNano() >= 998_000_000 ? 1 : 0);
      LocalDateTime minute = moment.withSecond(0).withNano(0);
      return seconds >= 30 ? minute.plusMinutes(1) : minute;
    }
    long ticks = Math.round(moment.toLocalTime().toNanoOfDay() * 300 / 1e9);
    return moment.toLocalDate().atStartOfDay().plusNanos(Math.floorDiv(ticks * 1_000_000_000L, 300) / 100 * 100);
  }

  /** The text where a type takes it, null where it does not. */
  public static String tsqlTry(Connection connection, String text, String type) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("SELECT CAST(? AS " + type + ")")) {
      statement.setString(1, text);
      statement.executeQuery();
      return text;
    } catch (SQLException error) {
      return null;
    }
  }

  public static LocalDateTime tsqlNow() {
    LocalDateTime now = LocalDateTime.now(ZoneOffset.UTC);
    return now.withNano(now.getNano() / 100 * 100);
  }

  public static int tsqlHasPermission(Connection connection, String securable, String column) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(
        "SELECT 1 FROM sys.visible_permissions WHERE securable = ? AND (column_name = '' OR column_name = ?)")) {
      statement.setString(1, securable);
      statement.setString(2, column);
      return statement.executeQuery().next() ? 1 : 0;
    }
  }

  private static String nameOf(String type) {
    int bracket = type.indexOf('(');
    return bracket < 0 ? type : type.substring(0, bracket);
  }

  private static int digitsOf(String type) {
    int bracket = type.indexOf('(');
    if (bracket >= 0) return Integer.parseInt(type.substring(bracket + 1, type.length() - 1));
    return switch (type) {
      case "datetime" -> 3;
      case "smalldatetime" -> 0;
      default -> 7;
    };
  }

  private static String withDigits(String text, int digits) {
    int point = text.indexOf('.');
    String whole = point < 0 ? text : text.substring(0, point);
    String fraction = (point < 0 ? "" : text.substring(point + 1)) + "0000000";
    if (digits == 3) return whole + String.format(".%03d", Math.round(Integer.parseInt(fraction.substring(0, 7)) / 1e4));
    return digits == 0 ? whole : whole + "." + fraction.substring(0, digits);
  }

  // Rowversions

  private static final AtomicLong versions = new AtomicLong(2000);
  /** The lowest that a session has given and not committed. */
  private static final Map<Integer, Long> underWay = new ConcurrentHashMap<>();

  /** Before the row is written: `r3` in the trigger's name is a rowversion in the third column, `d` a DATETIME, `m` a SMALLDATETIME. */
  public static class Stamp implements org.h2.api.Trigger {
    private String[] marks;

    @Override
    public void init(Connection connection, String schema, String trigger, String table, boolean before, int type) {
      marks = trigger.substring(trigger.lastIndexOf("__") + 2).split("_");
    }

    @Override
    public void fire(Connection connection, Object[] before, Object[] after) throws SQLException {
      for (String mark : marks) {
        int at = Integer.parseInt(mark.substring(1)) - 1;
        if (mark.charAt(0) == 'r') after[at] = nextVersion(connection);
        else if (after[at] != null) {
          LocalDateTime moment = after[at] instanceof Timestamp timestamp ? timestamp.toLocalDateTime() : (LocalDateTime) after[at];
          after[at] = tsqlRounded(moment, mark.charAt(0) == 'd' ? "datetime" : "smalldatetime");
        }
      }
    }
  }

  private static synchronized byte[] nextVersion(Connection connection) throws SQLException {
    long version = versions.incrementAndGet();
    underWay.putIfAbsent(sessionOf(connection), version);
    return bytesOf(version);
  }

  public static synchronized byte[] tsqlMinActiveVersion() {
    return bytesOf(underWay.values().stream().min(Long::compare).orElse(versions.get() + 1));
  }

  private static synchronized void settle(Connection connection) throws SQLException {
    if (!connection.isClosed()) underWay.remove(sessionOf(connection));
  }

  private static int sessionOf(Connection connection) throws SQLException {
    JdbcConnection inner = connection.unwrap(JdbcConnection.class);
    return System.identityHashCode(inner.getSession());
  }

  private static byte[] bytesOf(long version) {
    return java.nio.ByteBuffer.allocate(8).putLong(version).array();
  }
}
