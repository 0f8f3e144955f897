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
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Counts a sequence in keyed state and prints "count=N value=V". The count is state and so is the position in the
 * sequence: N is V + 1 exactly when nothing was lost or doubled, and N starts at 1 again when the state is gone.
 *
 * --limit N     values to count, then the job finishes (default: never)
 * --pause MS    between two values (default 100)
 * --control DIR a folder whose files command the job: "fail" (once: the file is removed), "doomed" (always, while it
 *               is there), "hang" (while it is there), "slow" (checkpoints take 15 s), "refuse" (checkpoints and savepoints
 *               fail, and the job with them)
 * --jobs N      execute the pipeline N times, one job after the other (default 1)
 */
public class CountingJob {
    public static void main(String[] args) throws Exception {
        ParameterTool parameters = ParameterTool.fromArgs(args);
        for (int i = 0; i < parameters.getInt("jobs", 1); i++) {
            StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
            env.fromSequence(0, parameters.getLong("limit", Long.MAX_VALUE) - 1)
                    .setParallelism(1)
                    .map(new Throttle(parameters.getLong("pause", 100)))
                    .setParallelism(1)
                    .keyBy(value -> 0)
                    .process(new Count(parameters.get("control", "/nowhere")))
                    .uid("count")
                    .print();
            env.execute("counting-" + i);
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

        private boolean told(String command) {
            return Files.exists(Path.of(control, command));
        }

        @Override
        public void processElement(Long value, Context context, Collector<String> out) throws Exception {
            long n = count.value() == null ? 1 : count.value() + 1;
            count.update(n);
            if (Files.deleteIfExists(Path.of(control, "fail"))) {
                throw new IllegalStateException("told to fail at " + n);
            }
            if (told("doomed")) {
                throw new IllegalStateException("told to fail always, at " + n);
            }
            while (told("hang")) {
                Thread.sleep(50);
            }
            out.collect("count=" + n + " value=" + value);
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            if (told("refuse")) {
                throw new IllegalStateException("told to refuse a savepoint");
            }
            if (told("slow")) {
                Thread.sleep(15000);
            }
        }

        @Override
        public void initializeState(FunctionInitializationContext context) {}
    }
}
