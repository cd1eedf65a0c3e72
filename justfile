# All that CI runs.
check:
    bash .ci/run

# The README's test command.
test:
    cargo test --release --workspace

# Asserts agreement, then times the kernels.
bench:
    cargo bench -p elman-kernels

# Remakes testdata/ with the PyTorch of testdata/requirements.txt.
fixtures:
    python testdata/make_fixtures.py

# Trains the recipe and lets PyTorch read the model file and measure the same text.
pytorch TEXT:
    cargo run --release -- train --steps 300 --out runs/pytorch-check
    cargo run --release -- eval runs/pytorch-check {{TEXT}} --json
    python testdata/check_model_file.py runs/pytorch-check/model.safetensors {{TEXT}} --json

# The long forms of what CI does in short: hours on two cores. Each line says its figures.
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

# Numbers that are not finite, put wherever a run keeps any: 25 runs for each place and remedy.
drills N="25":
    ELMAN_DRILLS={{N}} cargo test --release -p elman --lib guard -- --nocapture

# A million steps of a stream against the whole; a million draws for each setting of the sampler.
stream N="1000000":
    ELMAN_STREAM={{N}} cargo test --release -p elman --test sampler -- --nocapture

# The memory estimate against the peak of ten configurations.
estimates N="10":
    ELMAN_ESTIMATES={{N}} cargo test --release -p elman-cli --test limits estimate -- --nocapture

# Changed inputs of the committed corpus, through every target.
fuzz N="1000000" SEED="1":
    for target in model_file vocabulary config prompt csv; do cargo run --release -p elman-fuzz -- $target {{N}} {{SEED}} || exit 1; done

# The same with libFuzzer, which learns: needs a nightly compiler and cargo-fuzz.
libfuzzer TARGET SECONDS="600":
    cargo +nightly fuzz run {{TARGET}} fuzz/corpus/{{TARGET}} crates/fuzz/corpus/{{TARGET}} -- -max_total_time={{SECONDS}}

# Which file imports which, and every import cycle.
imports *CRATES:
    cargo run --release -p elman-checks -- imports {{CRATES}}

# Words that the style guide replaces, and what to write instead.
words *FLAGS:
    cargo run --release -p elman-checks -- words {{FLAGS}}

# Licences and sources of what we build upon: needs cargo-deny.
deny:
    cargo deny check licenses bans sources

# AddressSanitizer over the kernels' tests: needs a nightly compiler.
asan:
    RUSTFLAGS=-Zsanitizer=address cargo +nightly test -p elman-kernels --target x86_64-unknown-linux-gnu --tests

# Miri over the kernels in their portable source, at sizes that it can bear: needs a nightly compiler with miri and rust-src.
miri:
    MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p elman-kernels --lib --test agree --test bfloat16 --test step --test mask
