"""The messages and methods of etcd's v3 API that the contract needs. Source: etcd's api/etcdserverpb/rpc.proto."""

from __future__ import annotations

from typing import Any, NamedTuple

from kijabi.store import protobufs

_KV = protobufs.messages(
    "etcdserverpb",
    {
        "KeyValue": "key:bytes=1 create_revision:int64=2 mod_revision:int64=3 version:int64=4 "
        "value:bytes=5 lease:int64=6",
        "Event": "type:int32=1 kv:KeyValue=2 prev_kv:KeyValue=3",
        "ResponseHeader": "cluster_id:uint64=1 member_id:uint64=2 revision:int64=3 raft_term:uint64=4",
        "RangeRequest": "key:bytes=1 range_end:bytes=2 limit:int64=3 revision:int64=4 count_only:bool=9",
        "RangeResponse": "header:ResponseHeader=1 kvs:*KeyValue=2 more:bool=3 count:int64=4",
        "PutRequest": "key:bytes=1 value:bytes=2 lease:int64=3",
        "PutResponse": "header:ResponseHeader=1",
        "DeleteRangeRequest": "key:bytes=1 range_end:bytes=2 prev_kv:bool=3",
        "DeleteRangeResponse": "header:ResponseHeader=1 deleted:int64=2 prev_kvs:*KeyValue=3",
        "RequestOp": "request_range:RangeRequest=1 request_put:PutRequest=2 request_delete_range:DeleteRangeRequest=3",
        "ResponseOp": "response_range:RangeResponse=1 response_put:PutResponse=2 "
        "response_delete_range:DeleteRangeResponse=3",
        "Compare": "result:int32=1 target:int32=2 key:bytes=3 mod_revision:int64=6",
        "TxnRequest": "compare:*Compare=1 success:*RequestOp=2 failure:*RequestOp=3",
        "TxnResponse": "header:ResponseHeader=1 succeeded:bool=2 responses:*ResponseOp=3",
        "CompactionRequest": "revision:int64=1 physical:bool=2",
        "CompactionResponse": "header:ResponseHeader=1",
        "WatchCreateRequest": "key:bytes=1 range_end:bytes=2 start_revision:int64=3 "
        "progress_notify:bool=4 prev_kv:bool=6",
        "WatchProgressRequest": "",
        "WatchRequest": "create_request:WatchCreateRequest=1 progress_request:WatchProgressRequest=3",
        "WatchResponse": "header:ResponseHeader=1 watch_id:int64=2 created:bool=3 canceled:bool=4 "
        "compact_revision:int64=5 cancel_reason:string=6 events:*Event=11",
        "LeaseGrantRequest": "TTL:int64=1 ID:int64=2",
        "LeaseGrantResponse": "header:ResponseHeader=1 ID:int64=2 TTL:int64=3 error:string=4",
    },
)

RangeRequest: Any = _KV["RangeRequest"]
PutRequest: Any = _KV["PutRequest"]
DeleteRangeRequest: Any = _KV["DeleteRangeRequest"]
TxnRequest: Any = _KV["TxnRequest"]
CompactionRequest: Any = _KV["CompactionRequest"]
WatchRequest: Any = _KV["WatchRequest"]
WatchResponse: Any = _KV["WatchResponse"]
LeaseGrantRequest: Any = _KV["LeaseGrantRequest"]

# Values of CompareTarget and Event.EventType.
BY_MOD_REVISION = 2
DELETED = 1


class Method(NamedTuple):
    path: str
    answer: Any


RANGE = Method("/etcdserverpb.KV/Range", _KV["RangeResponse"])
PUT = Method("/etcdserverpb.KV/Put", _KV["PutResponse"])
DELETE = Method("/etcdserverpb.KV/DeleteRange", _KV["DeleteRangeResponse"])
TXN = Method("/etcdserverpb.KV/Txn", _KV["TxnResponse"])
COMPACT = Method("/etcdserverpb.KV/Compact", _KV["CompactionResponse"])
GRANT = Method("/etcdserverpb.Lease/LeaseGrant", _KV["LeaseGrantResponse"])
WATCH = "/etcdserverpb.Watch/Watch"
