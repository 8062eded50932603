#!/usr/bin/env bash
# MediaPipe Pose looks at frames as they are: a person whom it finds in a frame that was shrunk by averaging is missed in
# the same frame at full size.
#
# Seen on 2026-11-28 with mediapipe 0.10.14, numpy 2.2.6, opencv-python-headless 4.10.0.84, scikit-image 0.25.2, Python 3.11.
#
# Its graph shrinks each frame to the detector's 224x224 pixels, and one would think that the frame's size does not
# matter. It warps with bilinear interpolation, four pixels for each of the 224; in a frame of 2912x2312 a person 512
# pixels high falls apart. Shrunk to 224 pixels by area averaging first, the person is found; that is not what the tensor's size
# says, and no documentation asks for it. Output:
#
#   astronaut in 2912x2312: full size False, shrunk first True
#   cameraman in 1712x1112: full size False, shrunk first True
#
# FINDING_PYTHON names a Python 3.9 to 3.12, which the wheel needs; python3.11 by default. Fails if the output changes.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${FINDING_PYTHON:-python3.11}" -m venv "$work/venv"
pip=("$work/venv/bin/pip" install -q --disable-pip-version-check)
"${pip[@]}" --no-deps mediapipe==0.10.14 opencv-python-headless==4.10.0.84
"${pip[@]}" absl-py==2.3.0 attrs==25.3.0 flatbuffers==25.2.10 protobuf==4.25.8 matplotlib==3.10.3 numpy==2.2.6 scikit-image==0.25.2

cat > "$work/sizes.py" <<'EOF'
import cv2
import mediapipe
import numpy as np
from skimage import data


def finds_somebody(picture):
    with mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1) as pose:
        return pose.process(np.ascontiguousarray(picture)).pose_landmarks is not None


cameraman = np.stack([data.camera()] * 3, -1)
for name, picture, rows, columns in (
    ("astronaut", data.astronaut(), (900, 900), (1500, 900)),
    ("cameraman", cameraman, (300, 300), (900, 300)),
):
    frame = np.pad(picture, (rows, columns, (0, 0)), "edge")
    height, width = frame.shape[:2]
    scale = 224 / max(height, width)
    shrunk = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    print(f"{name} in {width}x{height}: full size {finds_somebody(frame)}, shrunk first {finds_somebody(shrunk)}")
EOF
"$work/venv/bin/python" "$work/sizes.py" 2>/dev/null | tee "$work/found"
diff "$work/found" - <<'EOF'
astronaut in 2912x2312: full size False, shrunk first True
cameraman in 1712x1112: full size False, shrunk first True
EOF
