// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Fungible} from "./Fungible.sol";

/// @title An ERC-20 token whose whole supply belongs to its deployer at first.
contract Token is Fungible {
    constructor(string memory name_, string memory symbol_, uint8 decimals_, uint256 supply)
        Fungible(name_, symbol_, decimals_)
    {
        _create(msg.sender, supply);
    }
}
