"""Probe of MediaPipe's networks, which come with `dynast fetch-models`."""

from __future__ import annotations

from dynast_deploy.commands.probes.finding import Finding
from dynast_deploy.errors import DynastError


def mediapipe_models() -> Finding:
    """MediaPipe's networks for poses and faces: found, whole, and loaded by ONNX Runtime."""
    from dynast_deploy.keypoints.mediapipe_face import FACE_NETWORKS
    from dynast_deploy.keypoints.mediapipe_models import FETCH_COMMAND, find_models, open_network
    from dynast_deploy.keypoints.mediapipe_pose import POSE_NETWORKS

    places = {}
    for kind, networks in (("poses", POSE_NETWORKS), ("faces", FACE_NETWORKS)):
        path = places[kind] = find_models(networks)
        if path is None:
            return Finding(
                False, f"no networks for {kind}; {kind} come from files or a model of yours", FETCH_COMMAND
            )
        try:
            for network in networks:
                open_network(path, network)
        except DynastError as error:
            return Finding(False, str(error), FETCH_COMMAND)
    return Finding(True, ", ".join(f"{kind}: {path}" for kind, path in places.items()))
