//! The Chinese texts of the annotations, in the place of those of their declarations.

/// What is said about an annotation. Code stands in backticks.
pub struct Texts {
    pub name: &'static str,
    pub help: &'static str,
    pub rule: &'static str,
    /// What counts without the annotation; empty if that is a value, or nothing.
    pub default: &'static str,
}

/// One for each annotation, in the order of their declarations.
pub const ALL: [Texts; 25] = [
    Texts {
        name: "enable",
        help: "把该 Service 交给本控制器管理",
        rule: "恰好是 `true`，或明确的否定（`false`、`f`、`0`、`no`、`off`）；其他值在更正之前不引起任何变化",
        default: "不启用",
    },
    Texts {
        name: "provider",
        help: "所用的云，每个云上各有一个负载均衡器",
        rule: "一个或多个已配置的云，以逗号分隔",
        default: "",
    },
    Texts {
        name: "existing-lb",
        help: "使用他人创建的负载均衡器，而不是自己创建：只在其上添加和移除该 Service 的监听器，并设置其后端；它的 `lb-spec` 和 `lb-bandwidth` 保持不变，且永不删除",
        rule: "`provider` 的唯一一个云上的负载均衡器的 id，由配置的 `existingLoadBalancers` 提供给该命名空间，1 到 253 个可见 ASCII 字符，不含逗号",
        default: "创建一个",
    },
    Texts {
        name: "paused",
        help: "停止对云以及状态中地址的一切修改；被删除或不再受管理的 Service 仍会被清理",
        rule: "恰好是 `true`，或明确的否定（`false`、`f`、`0`、`no`、`off`）",
        default: "不暂停",
    },
    Texts {
        name: "deletion-policy",
        help: "Service 被删除或不再受管理时如何处置负载均衡器；被保留的负载均衡器留在云上，不再有所有者",
        rule: "`delete` 或 `retain`",
        default: "",
    },
    Texts {
        name: "lb-spec",
        help: "云的负载均衡器规格或等级",
        rule: "1 到 63 个字母、数字、`.`、`_` 或 `-`",
        default: "",
    },
    Texts {
        name: "lb-bandwidth",
        help: "带宽，比特每秒",
        rule: "最多 9 位的正整数，后接 `K`、`M` 或 `G`",
        default: "",
    },
    Texts {
        name: "algorithm",
        help: "负载均衡器选择后端的方式",
        rule: "`round-robin`、`least-connections` 或 `source-hash`",
        default: "",
    },
    Texts {
        name: "internal",
        help: "负载均衡器是否只用于私有网络",
        rule: "`true` 或 `false`",
        default: "",
    },
    Texts {
        name: "address",
        help: "负载均衡器必须拥有的地址，代替 `spec.loadBalancerIP`；此时 `provider` 只能指定一个云",
        rule: "一个 IP 地址，或每个地址族各一个，以逗号分隔",
        default: "`spec.loadBalancerIP`，否则由云决定",
    },
    Texts {
        name: "proxy-protocol",
        help: "负载均衡器在 TCP 端口上告知后端客户端地址所用的头部",
        rule: "`v1`、`v2` 或 `none`",
        default: "",
    },
    Texts {
        name: "idle-timeout",
        help: "连接没有流量多久之后由负载均衡器关闭",
        rule: "整数秒或分钟，`1s` 到 `100m`",
        default: "由云决定",
    },
    Texts {
        name: "tags",
        help: "负载均衡器的标签，加在配置的 `defaultTags` 之上；键相同时以此为准",
        rule: "最多 20 个以逗号分隔的 `key=value`，每个键只出现一次，由 1 到 63 个字母、数字、`.`、`_`、`-` 或 `/` 组成，每个值最多 128 个可见 ASCII 字符",
        default: "只有 `defaultTags`",
    },
    Texts {
        name: "health-check-protocol",
        help: "负载均衡器如何询问 Node 是否可用",
        rule: "`tcp`、`http` 或 `none`",
        default: "设置了 `externalTrafficPolicy: Local` 时为 `http`，否则为 `tcp`；UDP 由云决定；没有指定端口和路径时，配置的 `clusterServiceHealthCheck` 可以改变这一点",
    },
    Texts {
        name: "health-check-port",
        help: "被询问的 Node 端口",
        rule: "1 到 65535 的端口",
        default: "设置了 `externalTrafficPolicy: Local` 时为 `healthCheckNodePort`，否则为节点端口",
    },
    Texts {
        name: "health-check-path",
        help: "HTTP 健康检查的路径",
        rule: "以 `/` 开头的路径，最多 255 个可见 ASCII 字符",
        default: "在 `healthCheckNodePort` 上为 `/healthz`，否则为 `/`",
    },
    Texts {
        name: "health-check-interval",
        help: "两次询问之间的时间",
        rule: "整数秒或分钟，`1s` 到 `300s`",
        default: "",
    },
    Texts {
        name: "health-check-timeout",
        help: "Node 必须应答的时限，不超过间隔",
        rule: "整数秒或分钟，`1s` 到 `300s`",
        default: "",
    },
    Texts {
        name: "health-check-healthy-threshold",
        help: "连续多少次应答后 Node 视为健康",
        rule: "1 到 10 的整数",
        default: "",
    },
    Texts {
        name: "health-check-unhealthy-threshold",
        help: "连续多少次失败后 Node 视为不健康",
        rule: "1 到 10 的整数",
        default: "",
    },
    Texts {
        name: "service.beta.kubernetes.io/load-balancer-source-ranges",
        help: "允许的客户端地址，仅当 `spec.loadBalancerSourceRanges` 为空时使用；这是其他控制器的注解名，不带本前缀",
        rule: "以逗号分隔的 CIDR 列表",
        default: "全部",
    },
    Texts {
        name: "node-selector",
        help: "作为后端的 Node 的标签",
        rule: "标签选择器，写法同 `kubectl get nodes --selector`，最多 1024 字节",
        default: "所有 Node",
    },
    Texts {
        name: "node-address-type",
        help: "用 Node 的哪种地址作为后端：`InternalIP` 或 `ExternalIP`",
        rule: "`internal` 或 `external`",
        default: "配置中的 `nodeAddressType`",
    },
    Texts {
        name: "lb-id",
        help: "各负载均衡器的 id",
        rule: "以逗号分隔的列表",
        default: "",
    },
    Texts {
        name: "lb-cloud",
        help: "各 id 所在的云，顺序相同；没有 id 的云表示即将（或可能已经）在该云上创建负载均衡器",
        rule: "以逗号分隔的列表",
        default: "",
    },
];
