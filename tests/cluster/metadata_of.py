"""What ML Metadata holds of a run, as JSON: `python metadata_of.py HOST:PORT RUN`; it needs only ml-metadata.

`states`: how many executions stand in which. `made`: for each artifact's URI those of the artifacts that it
was made from.
"""

import json
import sys
from collections import Counter, defaultdict


def main(at: str, run: str) -> None:
    # Only here: tests are collected by an interpreter that lacks the package.
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2 as words

    host, _, port = at.partition(":")
    store = metadata_store.MetadataStore(words.MetadataStoreClientConfig(host=host, port=int(port)))
    context = store.get_context_by_type_and_name("system.PipelineRun", run)
    executions = store.get_executions_by_context(context.id)
    states = Counter(words.Execution.State.Name(each.last_known_state) for each in executions)
    read, made = defaultdict(list), defaultdict(list)
    events = store.get_events_by_execution_ids([each.id for each in executions])
    uris = {each.id: each.uri for each in store.get_artifacts_by_id([event.artifact_id for event in events])}
    for event in events:
        ends = read if event.type == words.Event.INPUT else made
        ends[event.execution_id].append(uris[event.artifact_id])
    sources = defaultdict(set)  # a task that holds others gives out what they made, and reads nothing
    for execution, outputs in made.items():
        for uri in outputs:
            sources[uri].update(read[execution])
    told = {uri: sorted(others) for uri, others in sources.items()}
    sys.stdout.write(json.dumps({"states": states, "made": told}))


if __name__ == "__main__":
    main(*sys.argv[1:])
