"""A word count in PyFlink: prints (word,count) pairs of its arguments."""
import sys

from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment


def main() -> None:
    words = [argument for argument in sys.argv[1:] if not argument.startswith("--")] or ["to", "be", "or", "not", "to", "be"]
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    counts = env.from_collection([(word, 1) for word in words], type_info=Types.TUPLE([Types.STRING(), Types.INT()]))
    counts.key_by(lambda pair: pair[0]).reduce(lambda a, b: (a[0], a[1] + b[1])).print()
    env.execute("python word count")


if __name__ == "__main__":
    main()
