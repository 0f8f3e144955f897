"""A word count in PyFlink: prints (word,count) pairs of its arguments, and of a file that comes first: --input FILE."""
import sys
from pathlib import Path

from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment


def words_of(arguments: list[str]) -> list[str]:
    if arguments[:1] == ["--input"]:
        return Path(arguments[1]).read_text().split() + arguments[2:]
    return [argument for argument in arguments if not argument.startswith("--")] or ["to", "be", "or", "not", "to", "be"]


def main() -> None:
    words = words_of(sys.argv[1:])
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    counts = env.from_collection([(word, 1) for word in words], type_info=Types.TUPLE([Types.STRING(), Types.INT()]))
    counts.key_by(lambda pair: pair[0]).reduce(lambda a, b: (a[0], a[1] + b[1])).print()
    env.execute("python word count")


if __name__ == "__main__":
    main()
