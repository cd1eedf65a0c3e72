# Runs what CI runs.
check:
    bash .ci/run

# The README's test command.
test:
    cargo test --release --workspace

# Compares the kernels with the reference, then times them.
bench:
    cargo bench -p elman-kernels

# Regenerates testdata/ with the versions of testdata/requirements.txt.
fixtures:
    python testdata/make_fixtures.py
    python testdata/make_calendar.py
    python testdata/make_distributions.py

# Trains a model and evaluates its file on the same text in elman and in PyTorch.
pytorch TEXT:
    cargo run --release -- train --steps 300 --out runs/pytorch-check
    cargo run --release -- eval runs/pytorch-check {{TEXT}} --json
    python testdata/check_model_file.py runs/pytorch-check/model.safetensors {{TEXT}} --json

# The long forms of CI checks: hours on two cores. Each prints its figures.
soak: kills cuts bytes faults drills stream estimates (fuzz "10000000")

# kill -9 at 1000 random moments while every step is saved.
kills N="1000":
    ELMAN_KILLS={{N}} cargo test --release -p elman-cli --test kill -- --nocapture

# 100 random stops for each cell, optimizer, dropout and number of threads.
cuts N="100":
    ELMAN_CUTS={{N}} cargo test --release -p elman --test resume every_cell -- --nocapture

# The model after 200 steps: 3 cells and more, 2 optimizers, 1 to 8 threads, every backend.
bytes STEPS="200":
    ELMAN_BYTES={{STEPS}} cargo test --release -p elman --test behaviour no_byte -- --nocapture

# A failure of each kind at each operation on a file.
faults:
    cargo test --release -p elman --test faults -- --nocapture

# Numbers that are not finite in every place where a run keeps numbers: 25 runs for each place and remedy.
drills N="25":
    ELMAN_DRILLS={{N}} cargo test --release -p elman --lib guard -- --nocapture

# Compares a million single steps with the whole sequence; a million draws for each setting of the sampler.
stream N="1000000":
    ELMAN_STREAM={{N}} cargo test --release -p elman --test sampler -- --nocapture

# The memory estimate against the peak of ten configurations.
estimates N="10":
    ELMAN_ESTIMATES={{N}} cargo test --release -p elman-cli --test limits estimate -- --nocapture

# Runs every fuzz target on mutated inputs of the committed corpus.
fuzz N="1000000" SEED="1":
    for target in model_file any_model state_file weights vocabulary config prompt csv json_lines; do cargo run --release -p elman-fuzz -- $target {{N}} {{SEED}} || exit 1; done

# The same with libFuzzer, which is guided by coverage: needs a nightly compiler and cargo-fuzz.
libfuzzer TARGET SECONDS="600":
    cargo +nightly fuzz run {{TARGET}} fuzz/corpus/{{TARGET}} crates/fuzz/corpus/{{TARGET}} -- -max_total_time={{SECONDS}}

# Lines of the readers of untrusted files that the corpora of the fuzz targets reach, and with MORE a folder of inputs for each
# target, such as fuzz/corpus: needs llvm-tools (rustup component add llvm-tools).
coverage MORE="":
    bash .ci/coverage {{MORE}}

# Which file imports which, and every import cycle.
imports *CRATES:
    cargo run --release -p elman-checks -- imports {{CRATES}}

# Words that the style guide replaces, and what to write instead.
words *FLAGS:
    cargo run --release -p elman-checks -- words {{FLAGS}}

# Plants faults in a copy of the tree and lists those that no test notices: needs cargo-mutants; takes about an hour for 75.
mutants N="75" SEED="1" *FLAGS:
    .ci/mutants {{N}} {{SEED}} {{FLAGS}}

# Checks licences and sources of the dependencies: needs cargo-deny.
deny:
    cargo deny check licenses bans sources

# Known vulnerabilities of the dependencies: needs cargo-deny and the database of RustSec, which it downloads.
advisories:
    cargo deny --locked check advisories

# AddressSanitizer over the kernels' tests: needs a nightly compiler.
asan:
    RUSTFLAGS=-Zsanitizer=address cargo +nightly test -p elman-kernels --target x86_64-unknown-linux-gnu --tests

# Miri over the portable kernels at small sizes: needs a nightly compiler with miri and rust-src.
miri:
    MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p elman-kernels --lib --test agree --test bfloat16 --test step --test mask
