import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.java.utils.ParameterTool;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Counts a sequence in keyed state and prints "count=N value=V". The count is state and so is the position in the
 * sequence: N is V + 1 exactly when nothing was lost or doubled, and N starts at 1 again when the state is gone.
 * At the end of time (a job that is drained, or has finished) it prints "time ended at N".
 *
 * --limit N     values to count, then the job finishes (default: never)
 * --pause MS    between two values (default 100)
 * --more        one more operator with state, behind the one that counts
 * --control DIR a folder whose files command the job: "fail" (once: the file is removed), "doomed" (always, while it
 *               is there), "hang" (while it is there), "slow" (a checkpoint lasts while it is there, 15 s at most), "refuse"
 *               (checkpoints and savepoints fail, and the job with them); and the program: "wait" (executes nothing while it
 *               is there), "stay" (doesn't end while it is there)
 * --jobs N      execute the pipeline N times, one job after the other (default 1)
 */
public class CountingJob {
    public static void main(String[] args) throws Exception {
        ParameterTool parameters = ParameterTool.fromArgs(args);
        String control = parameters.get("control", "/nowhere");
        pauseWhile(control, "wait");
        for (int i = 0; i < parameters.getInt("jobs", 1); i++) {
            StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
            SingleOutputStreamOperator<String> counts = env.fromSequence(0, parameters.getLong("limit", Long.MAX_VALUE) - 1)
                    .setParallelism(1)
                    .map(new Throttle(parameters.getLong("pause", 100)))
                    .setParallelism(1)
                    .keyBy(value -> 0)
                    .process(new Count(control))
                    .uid("count");
            if (parameters.has("more")) {
                counts = counts.keyBy(text -> 0).process(new More()).uid("more");
            }
            counts.print();
            env.execute("counting-" + i);
        }
        pauseWhile(control, "stay");
    }

    private static boolean isTold(String control, String command) {
        return Files.exists(Path.of(control, command));
    }

    private static void pauseWhile(String control, String command) throws InterruptedException {
        if (isTold(control, command)) {
            System.out.println("told to " + command);
        }
        while (isTold(control, command)) {
            Thread.sleep(50);
        }
    }

    /** Chained to the source, so that no queue builds up through which a checkpoint's barrier would have to pass. */
    static class Throttle implements MapFunction<Long, Long> {
        private final long pause;

        Throttle(long pause) {
            this.pause = pause;
        }

        @Override
        public Long map(Long value) throws Exception {
            Thread.sleep(pause);
            return value;
        }
    }

    static class Count extends KeyedProcessFunction<Integer, Long, String> implements CheckpointedFunction {
        private final String control;
        private transient ValueState<Long> count;

        Count(String control) {
            this.control = control;
        }

        @Override
        public void open(Configuration configuration) {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
        }

        @Override
        public void processElement(Long value, Context context, Collector<String> out) throws Exception {
            if (count.value() == null) {
                context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
            }
            long n = count.value() == null ? 1 : count.value() + 1;
            count.update(n);
            if (Files.deleteIfExists(Path.of(control, "fail"))) {
                throw new IllegalStateException("told to fail at " + n);
            }
            if (isTold(control, "doomed")) {
                throw new IllegalStateException("told to fail always, at " + n);
            }
            pauseWhile(control, "hang");
            out.collect("count=" + n + " value=" + value);
        }

        @Override
        public void onTimer(long timestamp, OnTimerContext context, Collector<String> out) throws Exception {
            out.collect("time ended at " + count.value());
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            if (isTold(control, "refuse")) {
                throw new IllegalStateException("told to refuse a savepoint");
            }
            for (int i = 0; i < 300 && isTold(control, "slow"); i++) {
                Thread.sleep(50);
            }
        }

        @Override
        public void initializeState(FunctionInitializationContext context) {}
    }

    static class More extends KeyedProcessFunction<Integer, String, String> {
        private transient ValueState<Long> seen;

        @Override
        public void open(Configuration configuration) {
            seen = getRuntimeContext().getState(new ValueStateDescriptor<>("seen", Long.class));
        }

        @Override
        public void processElement(String text, Context context, Collector<String> out) throws Exception {
            seen.update(seen.value() == null ? 1 : seen.value() + 1);
            out.collect(text);
        }
    }
}
