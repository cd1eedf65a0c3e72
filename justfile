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
