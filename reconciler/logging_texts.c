/* Logging of Flink's processes when the user brings none (spec 03-children 2): all to the
 * container's output. */
#include "reconciler/desired_internal.h"

/* Flink 1.11 and later */
const char log4j2_properties[] =
    "# Written by flinkd. spec.logConfig replaces it.\n"
    "monitorInterval = 30\n"
    "rootLogger.level = INFO\n"
    "rootLogger.appenderRef.console.ref = ConsoleAppender\n"
    "appender.console.name = ConsoleAppender\n"
    "appender.console.type = CONSOLE\n"
    "appender.console.layout.type = PatternLayout\n"
    "appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n\n"
    "logger.akka.name = akka\n"
    "logger.akka.level = INFO\n"
    "logger.pekko.name = org.apache.pekko\n"
    "logger.pekko.level = INFO\n"
    "logger.kafka.name = org.apache.kafka\n"
    "logger.kafka.level = INFO\n"
    "logger.hadoop.name = org.apache.hadoop\n"
    "logger.hadoop.level = INFO\n"
    "logger.zookeeper.name = org.apache.zookeeper\n"
    "logger.zookeeper.level = INFO\n"
    "logger.netty.name = org.apache.flink.shaded.netty4.io.netty.channel.DefaultChannelPipeline\n"
    "logger.netty.level = ERROR\n";

/* before 1.11 */
const char log4j1_properties[] =
    "# Written by flinkd. spec.logConfig replaces it.\n"
    "log4j.rootLogger=INFO, console\n"
    "log4j.appender.console=org.apache.log4j.ConsoleAppender\n"
    "log4j.appender.console.layout=org.apache.log4j.PatternLayout\n"
    "log4j.appender.console.layout.ConversionPattern=%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - "
    "%m%n\n"
    "log4j.logger.akka=INFO\n"
    "log4j.logger.org.apache.kafka=INFO\n"
    "log4j.logger.org.apache.hadoop=INFO\n"
    "log4j.logger.org.apache.zookeeper=INFO\n"
    "log4j.logger.org.apache.flink.shaded.netty4.io.netty.channel.DefaultChannelPipeline=ERROR\n"
    "log4j.logger.org.apache.flink.shaded.akka.org.jboss.netty.channel.DefaultChannelPipeline="
    "ERROR\n";

const char logback_xml[] =
    "<!-- Written by flinkd. spec.logConfig replaces it. -->\n"
    "<configuration>\n"
    "    <appender name=\"console\" class=\"ch.qos.logback.core.ConsoleAppender\">\n"
    "        <encoder>\n"
    "            <pattern>%d{yyyy-MM-dd HH:mm:ss.SSS} [%thread] %-5level %logger{60} %X - "
    "%msg%n</pattern>\n"
    "        </encoder>\n"
    "    </appender>\n"
    "    <root level=\"INFO\">\n"
    "        <appender-ref ref=\"console\"/>\n"
    "    </root>\n"
    "    <logger name=\"akka\" level=\"INFO\"/>\n"
    "    <logger name=\"org.apache.pekko\" level=\"INFO\"/>\n"
    "    <logger name=\"org.apache.kafka\" level=\"INFO\"/>\n"
    "    <logger name=\"org.apache.hadoop\" level=\"INFO\"/>\n"
    "    <logger name=\"org.apache.zookeeper\" level=\"INFO\"/>\n"
    "    <logger name=\"org.apache.flink.shaded.netty4.io.netty.channel.DefaultChannelPipeline\" "
    "level=\"ERROR\"/>\n"
    "</configuration>\n";
