"""The flags of the API server, under upstream's names (dashes become underscores).

Source: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Options:
    """File fields are paths, empty where not used. ``store`` is ours: ``sqlite:///path`` or ``memory:``.

    ``token_seconds`` are seconds; ranges are text as on the command line (``10.96.0.0/16``, ``30000-32767``).
    """

    store: str = "memory:"
    # A store that several servers share. With servers named here ``store`` is not used.
    etcd_servers: tuple[str, ...] = ()
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_prefix: str = "/registry"
    etcd_compaction_interval: float = 300.0
    # Values encrypted at rest: the path of an EncryptionConfiguration.
    encryption_provider_config: str = ""
    encryption_provider_config_automatic_reload: bool = False
    bind_address: str = "0.0.0.0"
    secure_port: int = 6443
    advertise_address: str = ""
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""
    # Front proxy (aggregation): who may assert users by headers.
    requestheader_client_ca_file: str = ""
    requestheader_allowed_names: tuple[str, ...] = ()
    requestheader_username_headers: tuple[str, ...] = ("X-Remote-User",)
    requestheader_uid_headers: tuple[str, ...] = ()
    requestheader_group_headers: tuple[str, ...] = ("X-Remote-Group",)
    requestheader_extra_headers_prefix: tuple[str, ...] = ("X-Remote-Extra-",)
    proxy_client_cert_file: str = ""
    proxy_client_key_file: str = ""
    # Service account tokens.
    service_account_key_file: tuple[str, ...] = ()
    service_account_signing_key_file: str = ""
    service_account_issuer: tuple[str, ...] = ("https://kubernetes.default.svc.cluster.local",)
    service_account_max_token_expiration: int = 0
    service_account_extend_token_expiration: bool = True
    # Whether the token of a Secret must still be the Secret's.
    service_account_lookup: bool = True
    # Where the keys are published to others; empty: at this server's own address.
    service_account_jwks_uri: str = ""
    api_audiences: tuple[str, ...] = ()
    # Who may what.
    anonymous_auth: bool = True
    authorization_mode: tuple[str, ...] = ("Node", "RBAC")
    # Instead of the mode and the webhook's flags: the path of an AuthorizationConfiguration, read again on change.
    authorization_config: str = ""
    authorization_policy_file: str = ""
    authorization_webhook_config_file: str = ""
    authorization_webhook_version: str = "v1beta1"
    authorization_webhook_cache_authorized_ttl: float = 300.0
    authorization_webhook_cache_unauthorized_ttl: float = 30.0
    # Who a token is: the path of an AuthenticationConfiguration, read again on change, or one issuer by flags.
    authentication_config: str = ""
    oidc_issuer_url: str = ""
    oidc_client_id: str = ""
    oidc_ca_file: str = ""
    oidc_username_claim: str = "sub"
    oidc_username_prefix: str = ""
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_signing_algs: tuple[str, ...] = ("RS256",)
    oidc_required_claim: dict[str, str] = field(default_factory=dict)
    authentication_token_webhook_config_file: str = ""
    authentication_token_webhook_version: str = "v1beta1"
    authentication_token_webhook_cache_ttl: float = 120.0
    # Users by token, one a line of CSV: token, name, uid, and optionally groups.
    token_auth_file: str = ""
    enable_bootstrap_token_auth: bool = True
    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    admission_control_config_file: str = ""
    # Services.
    service_cluster_ip_range: str = "10.96.0.0/16"
    service_node_port_range: str = "30000-32767"
    # Kubelets.
    kubelet_client_certificate: str = ""
    kubelet_client_key: str = ""
    kubelet_certificate_authority: str = ""
    kubelet_preferred_address_types: tuple[str, ...] = (
        "Hostname",
        "InternalDNS",
        "InternalIP",
        "ExternalDNS",
        "ExternalIP",
    )
    # Limits.
    enable_priority_and_fairness: bool = True
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200
    min_request_timeout: int = 1800
    request_timeout: int = 60
    default_watch_cache_size: int = 100
    event_ttl: int = 3600
    # How many servers there are, for the endpoint reconciler ``master-count``.
    apiserver_count: int = 1
    # The in-process cluster leaves the kubernetes Service's endpoints alone: there is no socket to point at.
    endpoint_reconciler_type: str = "lease"
    # Ours: serve metrics.k8s.io from the kubelets' own figures, unless an APIService names another server for it.
    enable_resource_metrics: bool = True
    # The audit log: nothing is kept without a policy and one of the two places.
    audit_policy_file: str = ""
    audit_log_path: str = ""
    audit_log_maxsize: int = 100
    audit_log_maxage: int = 366
    audit_log_maxbackup: int = 100
    audit_log_compress: bool = False
    audit_log_format: str = "json"
    audit_log_mode: str = "blocking"
    audit_webhook_config_file: str = ""
    audit_webhook_mode: str = "batch"
    audit_webhook_initial_backoff: float = 10.0
    audit_webhook_batch_buffer_size: int = 10_000
    audit_webhook_batch_max_size: int = 400
    audit_webhook_batch_max_wait: float = 30.0
